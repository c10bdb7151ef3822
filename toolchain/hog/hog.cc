/*
 * hog.h's functions, for the widest vectors that the processor has. It must be
 * compiled with -ffp-contract=off: nothing may be fused.
 *
 * On 32-bit ARM there are none: gcc makes no vectors there of what is written
 * here, because NEON flushes subnormals, and dlib asks for NEON itself.
 */
#if defined(__x86_64__) || defined(__aarch64__)
#include <stdlib.h>
#include <string.h>
#include "hog.h"

typedef float hog_pair __attribute__((vector_size(8)));
typedef float hog_quad __attribute__((vector_size(16)));
typedef float HOG_V4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef float HOG_V8 __attribute__((vector_size(32), aligned(4), may_alias));

enum { HOG_BINS = 18 };

/* The first five of the nine directions that a gradient is compared with, 20 degrees apart. */
static const float direction[5][2] = {{1, 0}, {0.9397f, 0.3420f}, {0.7660f, 0.6428f}, {0.5f, 0.8660f}, {0.1736f, 0.9848f}};

/* A pixel's share in the cell to its left, twice, and to its right, by its distance from the left one's centre. */
#define SHARE(i) {1 - (i + 0.5f) / HOG_CELL, 1 - (i + 0.5f) / HOG_CELL, (i + 0.5f) / HOG_CELL, (i + 0.5f) / HOG_CELL}
static const hog_quad weight[HOG_CELL] = {SHARE(0), SHARE(1), SHARE(2), SHARE(3), SHARE(4), SHARE(5), SHARE(6), SHARE(7)};

/* What a call of hog_features works with. */
struct job {
    long rows, columns; /* of cells */
    long visible;       /* pixels 1 … visible-1 of a row vote; */
    long whole;         /* dlib takes the ones before whole eight at a time */
    size_t pixels;      /* floats from one plane of a row of pixels to the next */
    size_t width;       /* floats from one bin of a row of cells to the next */
    float *planes, *length;
    int *bin;
    hog_pair *strip;
    float *hist[2], *energy[2], *block[2], *inverse[2], *features;
    float *const *plane;
    size_t stride;
};

#if defined(__x86_64__)
#include <immintrin.h>

#define HOG_LANES 4
#define HOG_ATTR
#define HOG_SQRT(v) ((floats_4)_mm_sqrt_ps((__m128)(v)))
#define HOG_MIN(a, b) ((floats_4)_mm_min_ps((__m128)(a), (__m128)(b)))
#include "kernels.h"

#define HOG_LANES 8
#define HOG_ATTR __attribute__((target("avx2")))
#define HOG_SQRT(v) ((floats_8)_mm256_sqrt_ps((__m256)(v)))
#define HOG_MIN(a, b) ((floats_8)_mm256_min_ps((__m256)(a), (__m256)(b)))
#include "kernels.h"

/* maskz: gcc 12 warns of its own header otherwise */
#define HOG_LANES 16
#define HOG_ATTR __attribute__((target("avx512f,prefer-vector-width=512")))
#define HOG_SQRT(v) ((floats_16)_mm512_maskz_sqrt_ps(0xffff, (__m512)(v)))
#define HOG_MIN(a, b) ((floats_16)_mm512_maskz_min_ps(0xffff, (__m512)(a), (__m512)(b)))
#include "kernels.h"

#ifndef HOG_WIDEST /* lanes; a test sets it to see the narrower ones */
#define HOG_WIDEST 16
#endif

#define DISPATCH(name, ...)                                             \
    do {                                                                \
        __builtin_cpu_init();                                           \
        if (HOG_WIDEST >= 16 && __builtin_cpu_supports("avx512f"))      \
            name##_16(__VA_ARGS__);                                     \
        else if (HOG_WIDEST >= 8 && __builtin_cpu_supports("avx2"))     \
            name##_8(__VA_ARGS__);                                      \
        else                                                            \
            name##_4(__VA_ARGS__);                                      \
    } while (0)
#else
#include <arm_neon.h>

#define HOG_LANES 4
#define HOG_ATTR
#define HOG_SQRT(v) ((floats_4)vsqrtq_f32((float32x4_t)(v)))
#define HOG_MIN(a, b) ((floats_4)vminq_f32((float32x4_t)(a), (float32x4_t)(b)))
#include "kernels.h"

#define DISPATCH(name, ...) name##_4(__VA_ARGS__)
#endif

static size_t padded(size_t n) { return (n + 2 * HOG_PAD - 1) / HOG_PAD * HOG_PAD + HOG_PAD; }

extern "C" int hog_features(const unsigned char *rgb, long nr, long nc, float *const plane[HOG_PLANES], size_t stride)
{
    struct job j;
    j.rows = (nr + HOG_CELL / 2) / HOG_CELL;
    j.columns = (nc + HOG_CELL / 2) / HOG_CELL;
    j.visible = (nc < j.columns * HOG_CELL ? nc : j.columns * HOG_CELL) - 1;
    j.whole = 1 + (j.visible - 1) / 8 * 8;
    j.pixels = padded(nc);
    j.width = padded(j.columns);
    j.plane = plane;
    j.stride = stride;
    const size_t strip = 2 * HOG_BINS * (j.columns + 2);
    const size_t floats = 11 * j.pixels + (2 * (HOG_BINS + 3) + HOG_PLANES) * j.width + strip;
    float *memory = (float *)calloc(floats, sizeof *memory);
    if (memory == NULL)
        return -1;
    float *at = memory;
#define TAKE(n) (at += (n), at - (n))
    j.strip = (hog_pair *)TAKE((strip + 3) / 4 * 4);
    j.planes = TAKE(9 * j.pixels);
    j.length = TAKE(j.pixels);
    j.bin = (int *)TAKE(j.pixels);
    for (int i = 0; i < 2; i++) {
        j.hist[i] = TAKE(HOG_BINS * j.width);
        j.energy[i] = TAKE(j.width);
        j.block[i] = TAKE(j.width);
        j.inverse[i] = TAKE(j.width);
    }
    j.features = TAKE(HOG_PLANES * j.width);
#undef TAKE
    DISPATCH(features, &j, rgb, nr, nc);
    free(memory);
    return 0;
}

extern "C" void hog_filter(const float *in, long nr, long nc, const float *row, const float *column, float *out, int add, float *scratch)
{
    DISPATCH(filter, in, nr, nc, row, column, out, add, scratch);
}

#endif
