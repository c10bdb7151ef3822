/*
 * cblas_sgemm with one answer.
 *
 * A BLAS may sum in any order, and the good ones choose the order by the CPU
 * and by the number of threads: the same photo then gives other bits on another
 * machine. This one promises an order, and with it the bits:
 *
 *   s = 0;  for k = 0 … K-1:  s = round(s + round(op(A)[i][k] * op(B)[k][j]))
 *   C[i][j] = beta == 0 ? alpha*s : alpha*s + beta*C[i][j]
 *
 * in IEEE single precision, without fused multiply-add: it must be compiled with
 * -ffp-contract=off (gcc knows no pragma for it). Speed comes from what does not
 * touch that order: B is packed into narrow panels that stay in the cache,
 * several rows of C are kept in registers, vectors run over columns, and wider
 * vectors are taken where the CPU has them. K is cut into blocks; C carries the
 * sum, a float all the time, from one block to the next.
 *
 * One exception: the vector unit of 32-bit ARM flushes subnormals (below 1.2e-38)
 * to zero.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "cblas.h"

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

struct kernel { panel_fn *fn; size_t mr, nr; };

#ifndef GEMM_WIDEST /* bytes; a test sets it to see the narrower ones */
#define GEMM_WIDEST 64
#endif

/* A panel twice as wide as the matrix would be half zeros. */
static struct kernel choose(size_t n)
{
    __builtin_cpu_init();
    if (GEMM_WIDEST >= 64 && n > 16 && __builtin_cpu_supports("avx512f"))
        return (struct kernel){panel_avx512, 8, 32};
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
    KC = 256, /* rows of B packed at once: a panel of NR columns stays in the first-level cache */
    NC = 512, /* columns packed at once: all panels stay in the second-level cache */
};

/* A matrix seen through two strides, so that transposed and row- or
 * column-major cost no code: element (i,j) is p[i*rs + j*cs]. */
struct view { const float *p; size_t rs, cs; };

static struct view view_of(const float *p, size_t ld, int transposed)
{
    return transposed ? (struct view){p, 1, ld} : (struct view){p, ld, 1};
}

/* Copies kc×nc of b into panels of nr columns, the last one filled up with zeros. */
static void pack(struct view b, size_t kc, size_t nc, size_t nr, float *out)
{
    for (size_t j0 = 0; j0 < nc; j0 += nr) {
        size_t w = nc - j0 < nr ? nc - j0 : nr;
        const float *src = b.p + j0 * b.cs;
        if (b.cs == 1) {
            for (size_t k = 0; k < kc; k++, out += nr) {
                memcpy(out, src + k * b.rs, w * sizeof *out);
                memset(out + w, 0, (nr - w) * sizeof *out);
            }
            continue;
        }
        /* Reading along a column of the panel is reading consecutive memory when rs is 1. */
        for (size_t j = 0; j < w; j++)
            for (size_t k = 0; k < kc; k++)
                out[k * nr + j] = src[j * b.cs + k * b.rs];
        for (size_t j = w; j < nr; j++)
            for (size_t k = 0; k < kc; k++)
                out[k * nr + j] = 0;
        out += kc * nr;
    }
}

/* sums += a*b, all row-major or strided, sums with row stride lds. */
static int accumulate(size_t m, size_t n, size_t kk, struct view a, struct view b, float *sums, size_t lds)
{
    struct kernel ker = choose(n);
    size_t kcap = kk < KC ? kk : KC, ncap = n < NC ? n : NC;
    ncap = (ncap + ker.nr - 1) / ker.nr * ker.nr;
    void *mem;
    if (posix_memalign(&mem, 64, kcap * ncap * sizeof(float)) != 0)
        return -1;
    float *packed = mem;
    float edge[MR_MAX * NR_MAX] __attribute__((aligned(64)));

    for (size_t jc = 0; jc < n; jc += NC) {
        size_t nc = n - jc < NC ? n - jc : NC;
        for (size_t pc = 0; pc < kk; pc += KC) {
            size_t kc = kk - pc < KC ? kk - pc : KC;
            struct view bb = {b.p + pc * b.rs + jc * b.cs, b.rs, b.cs};
            pack(bb, kc, nc, ker.nr, packed);
            for (size_t i = 0; i < m; i += ker.mr) {
                size_t rows = m - i < ker.mr ? m - i : ker.mr;
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

void cblas_sgemm(const enum CBLAS_ORDER order, const enum CBLAS_TRANSPOSE ta, const enum CBLAS_TRANSPOSE tb,
                 const int m_, const int n_, const int k_, const float alpha, const float *a, const int lda,
                 const float *b, const int ldb, const float beta, float *c, const int ldc_)
{
    if (m_ <= 0 || n_ <= 0)
        return;
    size_t m = (size_t)m_, n = (size_t)n_, k = k_ > 0 ? (size_t)k_ : 0, ldc = (size_t)ldc_;
    struct view va = view_of(a, (size_t)lda, ta != CblasNoTrans);
    struct view vb = view_of(b, (size_t)ldb, tb != CblasNoTrans);
    if (order == CblasColMajor) {
        /* A column-major matrix is its transpose in row-major, so the views
         * already show op(A)ᵀ and op(B)ᵀ: compute Cᵀ = op(B)ᵀ·op(A)ᵀ. */
        struct view t = va;
        va = vb;
        vb = t;
        size_t s = m;
        m = n;
        n = s;
    }

    /* The usual case, a convolution's forward pass, sums straight into C. */
    if (alpha == 1 && beta == 0) {
        for (size_t i = 0; i < m; i++)
            memset(c + i * ldc, 0, n * sizeof *c);
        if (k > 0 && accumulate(m, n, k, va, vb, c, ldc) != 0)
            abort();
        return;
    }
    float *sums = calloc(m * n, sizeof *sums);
    if (sums == NULL)
        abort();
    if (k > 0 && alpha != 0 && accumulate(m, n, k, va, vb, sums, n) != 0)
        abort();
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            float s = alpha * sums[i * n + j];
            c[i * ldc + j] = beta == 0 ? s : s + beta * c[i * ldc + j];
        }
    free(sums);
}
