/*
 * Two functions of dlib's in place of Debian's compiled ones. The toolchain gives
 * Debian's affine_transform_conv another name and makes its convolution weak, so that
 * these are linked.
 *
 * dlib::cpu::affine_transform_conv stands behind every convolution of the face
 * network. Debian compiles libdlib.a with gcc's default -ffp-contract=fast: where
 * the baseline has fused multiply-add (arm64) it then rounds once where other
 * architectures round twice, and the descriptors' last bits differ. It is the only
 * one of the compiled functions on that way for which it matters. This one does
 * what dlib's documentation asks for (dlib/cuda/cpu_dlib.h and tensor_tools.h):
 *
 *   dest(n,k,r,c) = A(k)*src(n,k,r,c) + B(k)
 *
 * dlib::cpu::tensor_conv is a convolution. Debian's writes down what each place of the
 * filter sees, one number at a time, and multiplies that matrix; the writing takes
 * as long as the product. blas/convolve.c gives the same sums in the same order
 * without it.
 */
#include <cstddef>
#include <dlib/cuda/cpu_dlib.h>
#include "convolve.h"

namespace dlib
{
namespace cpu
{
void affine_transform_conv(tensor &dest, const tensor &src, const tensor &A, const tensor &B)
{
    const float *s = src.host();
    const float *a = A.host();
    const float *b = B.host();
    float *d = dest.host();
    const std::size_t plane = static_cast<std::size_t>(src.nr()) * src.nc();
    for (long n = 0; n < src.num_samples(); ++n)
        for (long k = 0; k < src.k(); ++k, s += plane, d += plane)
            for (std::size_t i = 0; i < plane; ++i)
                d[i] = a[k] * s[i] + b[k];
}

void tensor_conv::operator()(const bool add_to_output, tensor &output, const tensor &data, const tensor &filters)
{
    const facerec_window w = {data.k(), data.nr(), data.nc(), filters.nr(), filters.nc(), last_stride_y, last_stride_x,
                              last_padding_y, last_padding_x, output.nr(), output.nc()};
    const float *in = data.host();
    const float *f = filters.host();
    float *out = add_to_output ? output.host() : output.host_write_only();
    for (long n = 0; n < data.num_samples(); ++n) {
        facerec_convolve(&w, filters.num_samples(), f, in, add_to_output, out);
        in += data.k() * data.nr() * data.nc();
        out += output.k() * output.nr() * output.nc();
    }
}

void tensor_conv::operator()(const bool add_to_output, resizable_tensor &output, const tensor &data, const tensor &filters)
{
    output.set_size(data.num_samples(), filters.num_samples(),
                    1 + (data.nr() + 2 * last_padding_y - filters.nr()) / last_stride_y,
                    1 + (data.nc() + 2 * last_padding_x - filters.nc()) / last_stride_x);
    tensor &sized = output;
    (*this)(add_to_output, sized, data, filters);
}
}
}
