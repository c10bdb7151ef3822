/*
 * What dlib's detectors say of a face besides where it is: how sure they are.
 * go-face asks for the places alone. The toolchain has the two places where dlib
 * gives an answer note it here, in dlib/image_processing/object_detector.h and
 * dlib/dnn/loss.h; nothing that they compute is changed. A program finds its own
 * answer as long as it stays on one thread. FACEREC_PLAIN_DLIB leaves dlib as it
 * is.
 */
#ifndef FACEREC_SCORES_H
#define FACEREC_SCORES_H

#include <stddef.h>

struct facerec_score {
    long left, top, right, bottom; /* the last row and column are in the face */
    double score;
};

#ifdef __cplusplus
extern "C" {
#endif

/* Forgets this thread's scores. */
void facerec_scores_clear(void);

/* Notes a score. */
void facerec_scores_add(long left, long top, long right, long bottom, double score);

/* Gives the scores since they were last cleared, and how many. */
const struct facerec_score *facerec_scores(size_t *n);

#ifdef __cplusplus
}

namespace face_scores
{
/* Notes all of an answer, a list of anything with rect and detection_confidence. */
template <typename answer> inline void note_scores(const answer &dets)
{
#ifndef FACEREC_PLAIN_DLIB
    for (const auto &d : dets)
        facerec_scores_add(d.rect.left(), d.rect.top(), d.rect.right(), d.rect.bottom(), d.detection_confidence);
#else
    (void)dets;
#endif
}
}
#endif

#endif
