/*
 * dlib::cpu::affine_transform_conv, rounding alike on every architecture.
 *
 * Debian compiles libdlib.a with gcc's default -ffp-contract=fast. Where the
 * baseline has fused multiply-add (arm64) this function, which stands behind
 * every convolution of the face network, then rounds once where other
 * architectures round twice, and the descriptors' last bits differ. It is the
 * only one of the compiled functions on that way for which it matters. The
 * toolchain gives Debian's another name and links this one, which does what
 * dlib's documentation asks for (dlib/cuda/cpu_dlib.h and tensor_tools.h):
 *
 *   dest(n,k,r,c) = A(k)*src(n,k,r,c) + B(k)
 */
#include <cstddef>
#include <dlib/cuda/cpu_dlib.h>

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
}
}
