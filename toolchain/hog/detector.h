/*
 * Puts hog.h's functions in the place of dlib's, for the pictures and filters
 * of the frontal face detector. The toolchain includes this at the end of
 * dlib/image_processing/scan_fhog_pyramid.h. dlib's own functions are templates
 * called without a namespace on its own types, so the compiler finds these when
 * it instantiates the detector, and prefers them, for they are none. What they
 * do not do they pass on. FACEREC_PLAIN_DLIB leaves dlib as it is.
 */
#ifndef FACEREC_HOG_DETECTOR_H
#define FACEREC_HOG_DETECTOR_H

#if !defined(FACEREC_PLAIN_DLIB) && (defined(__x86_64__) || defined(__aarch64__))
#include "hog.h"

namespace dlib
{
template <typename image> inline bool quick_fhog_features(const image &img, array<array2d<float>> &hog, int cell_size, int filter_rows, int filter_cols)
{
    static_assert(sizeof(rgb_pixel) == 3, "hog_features reads packed pixels");
    const long cells_nr = (num_rows(img) + HOG_CELL / 2) / HOG_CELL, cells_nc = (num_columns(img) + HOG_CELL / 2) / HOG_CELL;
    if (cell_size != HOG_CELL || cells_nr < 3 || cells_nc < 3 || width_step(img) != 3 * num_columns(img))
        return false;
    impl_fhog::init_hog(hog, cells_nr - 2, cells_nc - 2, filter_rows, filter_cols);
    float *planes[HOG_PLANES];
    for (int i = 0; i < HOG_PLANES; ++i)
        planes[i] = &hog[i][(filter_rows - 1) / 2][(filter_cols - 1) / 2];
    return hog_features(static_cast<const unsigned char *>(image_data(img)), num_rows(img), num_columns(img), planes, num_columns(hog[0])) == 0;
}

inline void extract_fhog_features(const matrix<rgb_pixel> &img, array<array2d<float>> &hog, int cell_size, int filter_rows, int filter_cols)
{
    if (!quick_fhog_features(img, hog, cell_size, filter_rows, filter_cols))
        extract_fhog_features<matrix<rgb_pixel>>(img, hog, cell_size, filter_rows, filter_cols);
}

inline void extract_fhog_features(const array2d<rgb_pixel> &img, array<array2d<float>> &hog, int cell_size, int filter_rows, int filter_cols)
{
    if (!quick_fhog_features(img, hog, cell_size, filter_rows, filter_cols))
        extract_fhog_features<array2d<rgb_pixel>>(img, hog, cell_size, filter_rows, filter_cols);
}

inline rectangle float_spatially_filter_image_separable(const array2d<float> &in, array2d<float> &out, const matrix<float, 0, 1> &row,
                                                        const matrix<float, 0, 1> &column, array2d<float> &scratch, bool add_to)
{
    if (row.size() != HOG_TAPS || column.size() != HOG_TAPS || in.nr() < HOG_TAPS || in.nc() < HOG_TAPS)
        return float_spatially_filter_image_separable<array2d<float>>(in, out, row, column, scratch, add_to);
    const rectangle inside(HOG_TAPS / 2, HOG_TAPS / 2, in.nc() - HOG_TAPS / 2, in.nr() - HOG_TAPS / 2);
    out.set_size(in.nr(), in.nc());
    if (!add_to)
        zero_border_pixels(out, inside);
    scratch.set_size(in.nr() + 1, in.nc() + HOG_PAD);
    hog_filter(&in[0][0], in.nr(), in.nc(), &row(0), &column(0), &out[inside.top()][inside.left()], add_to, &scratch[0][0]);
    return inside;
}
}

#endif
#endif
