/* A convolution, as dlib's networks need it, with the answer of product.h. */
#ifndef FACEREC_CONVOLVE_H
#define FACEREC_CONVOLVE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a filter runs over, and how. Numbers outside the picture are zero. */
struct facerec_window {
    ptrdiff_t channels, nr, nc;             /* of the picture */
    ptrdiff_t filter_nr, filter_nc;         /* of the filter */
    ptrdiff_t stride_y, stride_x;
    ptrdiff_t padding_y, padding_x;
    ptrdiff_t rows, columns;                /* of the result */
};

/*
 * out[f][r][c] = sum of filters[f][k][y][x] * picture[k][r*stride_y - padding_y + y]
 * [c*stride_x - padding_x + x], in the order k, y, x; added to what out holds if add.
 */
void facerec_convolve(const struct facerec_window *w, size_t filters, const float *filter, const float *picture, int add, float *out);

#ifdef __cplusplus
}
#endif

#endif
