/*
 * The other functions that the link asks for. None is on a hot path of
 * recognition: they are plain loops, in the order of their indices.
 */
#include <stddef.h>
#include "cblas.h"

void cblas_dgemm(const enum CBLAS_ORDER order, const enum CBLAS_TRANSPOSE ta, const enum CBLAS_TRANSPOSE tb,
                 const int m, const int n, const int k, const double alpha, const double *a, const int lda,
                 const double *b, const int ldb, const double beta, double *c, const int ldc)
{
    int arow = (ta == CblasNoTrans) == (order == CblasRowMajor);
    int brow = (tb == CblasNoTrans) == (order == CblasRowMajor);
    for (ptrdiff_t i = 0; i < m; i++)
        for (ptrdiff_t j = 0; j < n; j++) {
            double s = 0;
            for (ptrdiff_t p = 0; p < k; p++)
                s += (arow ? a[i * lda + p] : a[p * lda + i]) * (brow ? b[p * ldb + j] : b[j * ldb + p]);
            double *d = order == CblasRowMajor ? &c[i * ldc + j] : &c[j * ldc + i];
            *d = beta == 0 ? alpha * s : alpha * s + beta * *d;
        }
}

/* A negative increment walks backwards from the end, as in the reference BLAS. */
static ptrdiff_t first(int n, int inc) { return inc < 0 ? -(ptrdiff_t)(n - 1) * inc : 0; }

void cblas_saxpy(const int n, const float alpha, const float *x, const int incx, float *y, const int incy)
{
    ptrdiff_t ix = first(n, incx), iy = first(n, incy);
    for (int i = 0; i < n; i++, ix += incx, iy += incy)
        y[iy] += alpha * x[ix];
}

void cblas_sscal(const int n, const float alpha, float *x, const int incx)
{
    if (incx <= 0)
        return;
    for (ptrdiff_t i = 0, ix = 0; i < n; i++, ix += incx)
        x[ix] *= alpha;
}
