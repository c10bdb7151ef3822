/* The list of scores.h, one for each thread. */
#include "scores.h"

#include <vector>

static thread_local std::vector<facerec_score> scores;

void facerec_scores_clear(void) { scores.clear(); }

void facerec_scores_add(long left, long top, long right, long bottom, double score)
{
    scores.push_back({left, top, right, bottom, score});
}

const facerec_score *facerec_scores(size_t *n)
{
    *n = scores.size();
    return scores.data();
}
