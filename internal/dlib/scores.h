/* What the toolchain adds to dlib, for Go; an installed dlib has none of it. */
#ifndef FACEREC_DLIB_SCORES_H
#define FACEREC_DLIB_SCORES_H

#if __has_include(<facerec/scores.h>)
#include <facerec/scores.h>
enum { has_scores = 1 };
#else
#include <stddef.h>
enum { has_scores = 0 };
struct facerec_score {
    long left, top, right, bottom;
    double score;
};
static inline void facerec_scores_clear(void) {}
static inline const struct facerec_score *facerec_scores(size_t *n)
{
    *n = 0;
    return NULL;
}
#endif

#endif
