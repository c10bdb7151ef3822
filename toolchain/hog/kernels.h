/*
 * Everything that is compiled once per width of vector. The includer defines
 *
 *   HOG_LANES   floats in a vector: 4, 8 or 16
 *   HOG_ATTR    attributes, such as a target
 *   HOG_SQRT    square root of each float of a vector
 *   HOG_MIN     the lesser of two vectors' floats
 *
 * and what is defined here has names that end in that number of lanes.
 */
#define HOG_CAT_(a, b) a##_##b
#define HOG_CAT(a, b) HOG_CAT_(a, b)
#define HOG_ID(name) HOG_CAT(name, HOG_LANES)
#define HOG_V HOG_ID(floats)
#define HOG_I HOG_ID(ints)
#define HOG_M HOG_ID(mask)

typedef float HOG_V __attribute__((vector_size(4 * HOG_LANES), aligned(4), may_alias));
typedef int HOG_I __attribute__((vector_size(4 * HOG_LANES), aligned(4), may_alias));
typedef int HOG_M __attribute__((vector_size(4 * HOG_LANES)));

#include "filter.h"
#include "describe.h"

#undef HOG_CAT_
#undef HOG_CAT
#undef HOG_ID
#undef HOG_V
#undef HOG_I
#undef HOG_M
#undef HOG_LANES
#undef HOG_ATTR
#undef HOG_SQRT
#undef HOG_MIN
