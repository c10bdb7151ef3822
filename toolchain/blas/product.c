/*
 * The one product behind cblas_sgemm and the convolutions: see product.h.
 *
 * It must be compiled with -ffp-contract=off (gcc knows no pragma for it). Speed comes
 * from what does not touch the order of sums: B is packed into narrow panels that stay
 * in the cache, several rows of C are kept in registers, vectors run over columns, and
 * wider vectors are taken where the CPU has them. K is cut into blocks; C carries the
 * sum, a float all the time, from one block to the next.
 *
 * One exception: the vector unit of 32-bit ARM flushes subnormals (below 1.2e-38)
 * to zero.
 */
#include <stdlib.h>
#include <string.h>
#include "product.h"

typedef void panel_fn(size_t kc, const float *a, size_t ras, size_t cas,
                      const float *b, float *c, size_t ldc, size_t rows);

#if defined(__x86_64__)

#define GEMM_NAME panel_base /* SSE2: 16 registers, 8 sums */
#define GEMM_BYTES 16
#define GEMM_MR 4
#define GEMM_NV 2
#define GEMM_ATTR
#include "gemm.h"

#define GEMM_NAME panel_avx2
#define GEMM_BYTES 32
#define GEMM_MR 4
#define GEMM_NV 2
#define GEMM_ATTR __attribute__((target("avx2")))
#include "gemm.h"

#define GEMM_NAME panel_avx512 /* 32 registers, 16 sums */
#define GEMM_BYTES 64
#define GEMM_MR 8
#define GEMM_NV 2
#define GEMM_ATTR __attribute__((target("avx512f")))
#include "gemm.h"

#define GEMM_NAME panel_narrow /* for a matrix of at most 16 columns */
#define GEMM_BYTES 64
#define GEMM_MR 8
#define GEMM_NV 1
#define GEMM_ATTR __attribute__((target("avx512f")))
#include "gemm.h"

struct kernel { panel_fn *fn; size_t mr, nr; };

#ifndef GEMM_WIDEST /* bytes; a test sets it to see the narrower ones */
#define GEMM_WIDEST 64
#endif

/* A panel twice as wide as the matrix would be half zeros. */
static struct kernel choose(size_t n)
{
    __builtin_cpu_init();
    if (GEMM_WIDEST >= 64 && __builtin_cpu_supports("avx512f"))
        return n > 16 ? (struct kernel){panel_avx512, 8, 32} : (struct kernel){panel_narrow, 8, 16};
    if (GEMM_WIDEST >= 32 && __builtin_cpu_supports("avx2"))
        return (struct kernel){panel_avx2, 4, 16};
    return (struct kernel){panel_base, 4, 8};
}

#else

#if defined(__arm__)
/* gcc lowers vector arithmetic to scalars here, because NEON flushes
 * subnormals; the intrinsics say that this is accepted. */
#include <arm_neon.h>
#define GEMM_MULADD(c, a, b) \
    ((__typeof__(c))vaddq_f32((float32x4_t)(c), vmulq_f32((float32x4_t)(a), (float32x4_t)(b))))
#endif

#define GEMM_NAME panel_base
#define GEMM_BYTES 16
#if defined(__aarch64__) /* 32 registers, 16 sums */
#define GEMM_MR 8
#else
#define GEMM_MR 4
#endif
#define GEMM_NV 2
#define GEMM_ATTR
#include "gemm.h"

struct kernel { panel_fn *fn; size_t mr, nr; };

static struct kernel choose(size_t n)
{
    (void)n;
#if defined(__aarch64__)
    return (struct kernel){panel_base, 8, 8};
#else
    return (struct kernel){panel_base, 4, 8};
#endif
}

#endif

enum {
    MR_MAX = 8,
    NR_MAX = 32,
    PANEL = 32 << 10, /* bytes of a panel of B, NR columns wide: it stays in the first-level cache */
    PACKED = 256 << 10, /* bytes of all that are packed at once: they stay in the second-level cache */
};

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* n rounded up to whole panels. */
static size_t whole(size_t n, size_t nr) { return (n + nr - 1) / nr * nr; }

int facerec_product(size_t m, size_t n, size_t kk, struct view a, pack_fn *pack, const void *b, float *sums, size_t lds)
{
    struct kernel ker = choose(n);
    size_t kcap = least(kk, PANEL / sizeof(float) / ker.nr);
    size_t ncap = least(whole(n, ker.nr), whole(PACKED / sizeof(float) / kcap, ker.nr));
    void *mem;
    if (posix_memalign(&mem, 64, kcap * ncap * sizeof(float)) != 0)
        return -1;
    float *packed = mem;
    float edge[MR_MAX * NR_MAX] __attribute__((aligned(64)));

    for (size_t jc = 0; jc < n; jc += ncap) {
        size_t nc = least(n - jc, ncap);
        for (size_t pc = 0; pc < kk; pc += kcap) {
            size_t kc = least(kk - pc, kcap);
            pack(b, pc, kc, jc, nc, ker.nr, packed);
            for (size_t i = 0; i < m; i += ker.mr) {
                size_t rows = least(m - i, ker.mr);
                const float *ap = a.p + i * a.rs + pc * a.cs;
                for (size_t j = 0; j < nc; j += ker.nr) {
                    float *cp = sums + i * lds + jc + j;
                    const float *bp = packed + j * kc;
                    if (nc - j >= ker.nr) {
                        ker.fn(kc, ap, a.rs, a.cs, bp, cp, lds, rows);
                        continue;
                    }
                    size_t w = nc - j;
                    memset(edge, 0, sizeof edge);
                    for (size_t r = 0; r < rows; r++)
                        memcpy(edge + r * ker.nr, cp + r * lds, w * sizeof *cp);
                    ker.fn(kc, ap, a.rs, a.cs, bp, edge, ker.nr, rows);
                    for (size_t r = 0; r < rows; r++)
                        memcpy(cp + r * lds, edge + r * ker.nr, w * sizeof *cp);
                }
            }
        }
    }
    free(mem);
    return 0;
}
