/*
 * cblas_sgemm with one answer:
 *
 *   s = 0;  for k = 0 … K-1:  s = round(s + round(op(A)[i][k] * op(B)[k][j]))
 *   C[i][j] = beta == 0 ? alpha*s : alpha*s + beta*C[i][j]
 *
 * See product.h for why, and product.c for how.
 */
#include <stdlib.h>
#include <string.h>
#include "cblas.h"
#include "product.h"

static struct view view_of(const float *p, size_t ld, int transposed)
{
    return transposed ? (struct view){p, 1, ld} : (struct view){p, ld, 1};
}

typedef float vec4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef int pick4 __attribute__((vector_size(16)));

/* Turns 4×4 numbers: rows of src, from stride to stride, become columns of out. */
static inline void transpose(const float *src, size_t ss, float *out, size_t os)
{
    vec4 r0 = *(const vec4 *)src, r1 = *(const vec4 *)(src + ss);
    vec4 r2 = *(const vec4 *)(src + 2 * ss), r3 = *(const vec4 *)(src + 3 * ss);
    vec4 a = __builtin_shuffle(r0, r1, (pick4){0, 4, 1, 5}), b = __builtin_shuffle(r0, r1, (pick4){2, 6, 3, 7});
    vec4 c = __builtin_shuffle(r2, r3, (pick4){0, 4, 1, 5}), d = __builtin_shuffle(r2, r3, (pick4){2, 6, 3, 7});
    *(vec4 *)out = __builtin_shuffle(a, c, (pick4){0, 1, 4, 5});
    *(vec4 *)(out + os) = __builtin_shuffle(a, c, (pick4){2, 3, 6, 7});
    *(vec4 *)(out + 2 * os) = __builtin_shuffle(b, d, (pick4){0, 1, 4, 5});
    *(vec4 *)(out + 3 * os) = __builtin_shuffle(b, d, (pick4){2, 3, 6, 7});
}

/* A pack_fn for a view. */
static void pack(const void *of, size_t k0, size_t kc, size_t first, size_t nc, size_t nr, float *out)
{
    struct view b = *(const struct view *)of;
    b.p += k0 * b.rs + first * b.cs;
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
        size_t j1 = b.rs == 1 ? w & ~(size_t)3 : 0, k1 = kc & ~(size_t)3;
        for (size_t j = 0; j < j1; j += 4) {
            for (size_t k = 0; k < k1; k += 4)
                transpose(src + j * b.cs + k, b.cs, out + k * nr + j, nr);
            for (size_t k = k1; k < kc; k++)
                for (size_t i = j; i < j + 4; i++)
                    out[k * nr + i] = src[i * b.cs + k];
        }
        for (size_t j = j1; j < w; j++)
            for (size_t k = 0; k < kc; k++)
                out[k * nr + j] = src[j * b.cs + k * b.rs];
        for (size_t j = w; j < nr; j++)
            for (size_t k = 0; k < kc; k++)
                out[k * nr + j] = 0;
        out += kc * nr;
    }
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
        if (k > 0 && facerec_product(m, n, k, va, pack, &vb, c, ldc) != 0)
            abort();
        return;
    }
    float *sums = calloc(m * n, sizeof *sums);
    if (sums == NULL)
        abort();
    if (k > 0 && alpha != 0 && facerec_product(m, n, k, va, pack, &vb, sums, n) != 0)
        abort();
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            float s = alpha * sums[i * n + j];
            c[i * ldc + j] = beta == 0 ? s : s + beta * c[i * ldc + j];
        }
    free(sums);
}
