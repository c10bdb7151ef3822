/*
 * C += A*B with one answer. A BLAS may sum in any order, and the good ones choose the
 * order by the CPU and by the number of threads: the same photo then gives other bits
 * on another machine. Here each element of C is what this computes, in IEEE single
 * precision without fused multiply-add, on every machine:
 *
 *   for k = 0 … K-1:  C[i][j] = round(C[i][j] + round(A[i][k] * B[k][j]))
 */
#ifndef FACEREC_PRODUCT_H
#define FACEREC_PRODUCT_H

#include <stddef.h>

/* A matrix seen through two strides, so that transposed and row- or
 * column-major cost no code: element (i,j) is p[i*rs + j*cs]. */
struct view { const float *p; size_t rs, cs; };


/*
 * Copies rows k…k+kc and columns j…j+nc of B into panels of nr columns, the last one
 * filled up with zeros: out[(panel*kc + row)*nr + column].
 */
typedef void pack_fn(const void *b, size_t k, size_t kc, size_t j, size_t nc, size_t nr, float *out);

/*
 * sums += A*B for m×kk times kk×n, sums with row stride lds. Gives 0, or -1 if there
 * is no memory.
 */
int facerec_product(size_t m, size_t n, size_t kk, struct view a, pack_fn *pack, const void *b, float *sums, size_t lds);

#endif
