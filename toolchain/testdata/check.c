/*
 * Compares cblas_sgemm with the loop that its comment promises, bit for bit,
 * over shapes around every edge of its blocking, every layout and transposition,
 * and, where the CPU has them, every width of vector. Prints "ok" and the number of products, or the first
 * difference and exit status 1.
 */
#include <stdint.h>
#include <stdio.h>
#include "convolve.h"
#include "sgemm.c"

static uint32_t seed = 1;
static float value(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (float)(int32_t)seed / 1e9f; /* in all 24 bits, of both signs */
}

static float at(const float *p, int ld, int trans, int col, int i, int k)
{
    return (trans != 0) != (col != 0) ? p[(size_t)k * ld + i] : p[(size_t)i * ld + k];
}

static int products;

static int compare(int m, int n, int k, int ta, int tb, int col, float alpha, float beta, int pad)
{
    int lda = ((ta != 0) != (col != 0) ? m : k) + pad, ldb = ((tb != 0) != (col != 0) ? k : n) + pad, ldc = (col ? m : n) + pad;
    size_t na = (size_t)lda * (m > k ? m : k) + 1, nb = (size_t)ldb * (n > k ? n : k) + 1, nc = (size_t)ldc * (col ? n : m);
    float *a = malloc(na * 4), *b = malloc(nb * 4), *c = malloc(nc * 4), *want = malloc(nc * 4);
    int bad = 0;
    for (size_t i = 0; i < na; i++) a[i] = value();
    for (size_t i = 0; i < nb; i++) b[i] = value();
    for (size_t i = 0; i < nc; i++) c[i] = want[i] = value();
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            volatile float s = 0; /* volatile: each step is rounded on its own */
            for (int p = 0; p < k; p++) {
                volatile float t = at(a, lda, ta, col, i, p) * at(b, ldb, tb, col, p, j);
                s = s + t;
            }
            float *w = col ? &want[(size_t)j * ldc + i] : &want[(size_t)i * ldc + j];
            volatile float t = alpha * s, u = beta * *w;
            *w = beta == 0 ? t : t + u;
        }
    cblas_sgemm(col ? CblasColMajor : CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans,
                m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    if (memcmp(c, want, nc * 4) != 0) { /* the padding is compared too: it must stay */
        printf("differs: m=%d n=%d k=%d ta=%d tb=%d col=%d alpha=%g beta=%g pad=%d\n", m, n, k, ta, tb, col, alpha, beta, pad);
        bad = 1;
    }
    free(a), free(b), free(c), free(want);
    products++;
    return bad;
}

/* The same for a convolution: channel, y, x is the order of its sums. */
static int convolve(ptrdiff_t filters, ptrdiff_t channels, ptrdiff_t nr, ptrdiff_t nc, ptrdiff_t fr, ptrdiff_t fc,
                    ptrdiff_t sy, ptrdiff_t sx, ptrdiff_t py, ptrdiff_t px, int add)
{
    const struct facerec_window w = {channels, nr, nc, fr, fc, sy, sx, py, px, 1 + (nr + 2 * py - fr) / sy, 1 + (nc + 2 * px - fc) / sx};
    size_t np = (size_t)(channels * nr * nc), nf = (size_t)(filters * channels * fr * fc), no = (size_t)(filters * w.rows * w.columns);
    float *picture = malloc(np * 4), *filter = malloc(nf * 4), *out = malloc(no * 4 + 4), *want = malloc(no * 4 + 4);
    for (size_t i = 0; i < np; i++) picture[i] = value();
    for (size_t i = 0; i < nf; i++) filter[i] = value();
    for (size_t i = 0; i <= no; i++) out[i] = want[i] = value();
    float *o = want;
    for (ptrdiff_t f = 0; f < filters; f++)
        for (ptrdiff_t r = 0; r < w.rows; r++)
            for (ptrdiff_t c = 0; c < w.columns; c++, o++) {
                const float *p = filter + f * channels * fr * fc;
                volatile float s = 0;
                for (ptrdiff_t k = 0; k < channels; k++)
                    for (ptrdiff_t y = r * sy - py; y < r * sy - py + fr; y++)
                        for (ptrdiff_t x = c * sx - px; x < c * sx - px + fc; x++) {
                            const int inside = y >= 0 && y < nr && x >= 0 && x < nc;
                            volatile float t = *p++ * (inside ? picture[(k * nr + y) * nc + x] : 0);
                            s = s + t;
                        }
                *o = add ? *o + s : s;
            }
    facerec_convolve(&w, (size_t)filters, filter, picture, add, out);
    int bad = memcmp(out, want, no * 4 + 4) != 0; /* and what follows is left alone */
    if (bad)
        printf("differs: %td filters of %tdx%td over %td of %tdx%td, stride %td,%td, padding %td,%td, add=%d\n", filters, fr, fc, channels, nr, nc, sy, sx, py, px, add);
    free(picture), free(filter), free(out), free(want);
    products++;
    return bad;
}

static int convolutions(void)
{
    for (ptrdiff_t nr = 3; nr < 12; nr += 4)
        for (ptrdiff_t nc = 3; nc < 20; nc += 5)
            for (ptrdiff_t fr = 1; fr <= 3; fr++)
                for (ptrdiff_t fc = 1; fc <= 3; fc += 2)
                    for (ptrdiff_t s = 1; s <= 3; s++)
                        for (ptrdiff_t py = 0; py < fr; py++)
                            for (ptrdiff_t px = 0; px < fc; px++)
                                if (convolve(1 + nc % 4, 1 + nr % 3, nr, nc, fr, fc, s, 4 - s, py, px, (nr + px) % 2))
                                    return 1;
    return convolve(32, 3, 40, 61, 7, 7, 2, 2, 0, 0, 0) || convolve(9, 40, 17, 35, 3, 3, 1, 1, 1, 1, 0) ||
           convolve(9, 130, 9, 9, 3, 3, 1, 1, 1, 1, 1) || convolve(5, 260, 5, 5, 3, 3, 2, 2, 0, 0, 0);
}

int main(void)
{
    if (convolutions())
        return 1;
    static const int sizes[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 65};
    enum { COUNT = sizeof sizes / sizeof *sizes };
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; j < COUNT; j++)
            for (int layout = 0; layout < 8; layout++)
                if (compare(sizes[i], sizes[j], sizes[(i + j) % COUNT], layout & 1, layout & 2, layout & 4, 1, 0, i % 3))
                    return 1;
    static const int large[][3] = {{5, 513, 257}, {9, 1030, 40}, {33, 40, 600}, {128, 70, 256}, {1, 128, 513}, {20, 9, 2304}, {12, 16, 1025}, {7, 2100, 33}, {3, 3, 0}};
    for (size_t i = 0; i < sizeof large / sizeof *large; i++)
        for (int layout = 0; layout < 8; layout++) {
            const int *s = large[i];
            if (compare(s[0], s[1], s[2], layout & 1, layout & 2, layout & 4, 1, 0, 0) ||
                compare(s[0], s[1], s[2], layout & 1, layout & 2, layout & 4, 0.5f, 0, 1) ||
                compare(s[0], s[1], s[2], layout & 1, layout & 2, layout & 4, 1, 1, 2) ||
                compare(s[0], s[1], s[2], layout & 1, layout & 2, layout & 4, -1.25f, 0.75f, 0))
                return 1;
        }
    printf("ok %d\n", products);
    return 0;
}
