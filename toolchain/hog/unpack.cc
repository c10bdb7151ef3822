/*
 * Undoes the packing of the weights in dlib's frontal_face_detector.h: standard
 * input, already out of base64, to standard output. It runs while the toolchain is
 * put together, on the machine that does it, so that no program has to do it at
 * every start.
 */
#include <iostream>

#include <dlib/compress_stream.h>

int main()
{
    dlib::compress_stream::kernel_1ea().decompress(std::cin, std::cout);
    return std::cout.flush() ? 0 : 1;
}
