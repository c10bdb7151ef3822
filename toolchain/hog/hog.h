/*
 * The two places where dlib's HOG detector spends its time, once more: the
 * features of a picture, and a filter that is the product of a column and a
 * row. detector.h puts them in their place.
 *
 * The algorithm is that of Felzenszwalb, Girshick, McAllester and Ramanan,
 * "Object Detection with Discriminatively Trained Part Based Models" (2010), in
 * the form that dlib gave it, and every value is computed by the operations
 * that dlib's own functions use on x86-64, in their order, each rounded: the
 * answer is the same number (a zero may have the other sign). What is different
 * is what runs beside what: vectors go over columns everywhere, so their width
 * cannot be seen in the result.
 */
#ifndef FACEREC_HOG_H
#define FACEREC_HOG_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    HOG_CELL = 8,    /* a cell is 8 by 8 pixels */
    HOG_PLANES = 31, /* 18 signed and 9 unsigned orientations, 4 textures */
    HOG_TAPS = 10,   /* elements of a row or a column of a filter */
    HOG_PAD = 16,    /* floats that may be read, and are not used, behind a row */
};

/*
 * hog_features describes a picture of nr by nc pixels, three bytes each, rows
 * packed: plane[p][y*stride + x] is written for 0 <= y < cells(nr)-2 and
 * 0 <= x < cells(nc)-2, where cells(n) is n/8 rounded. Both must be at least 3.
 * Not 0: no memory, and the planes hold anything.
 */
int hog_features(const unsigned char *rgb, long nr, long nc, float *const plane[HOG_PLANES], size_t stride);

/*
 * hog_filter correlates in (nr by nc floats, packed) with the product of a
 * column and a row of HOG_TAPS elements each, where it fits:
 * out[y*nc + x], for 0 <= y <= nr-HOG_TAPS and 0 <= x <= nc-HOG_TAPS, is set,
 * or added to. scratch holds (nr+1) * (nc+HOG_PAD) floats.
 */
void hog_filter(const float *in, long nr, long nc, const float *row, const float *column, float *out, int add, float *scratch);

#ifdef __cplusplus
}
#endif

#endif
