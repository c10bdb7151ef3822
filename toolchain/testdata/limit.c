/*
 * How fast this processor can multiply and add in single precision with nothing else
 * to do, and how fast the convolutions of a descriptor are, in CPU time. Prints both in
 * units of 10^9 operations a second, and the milliseconds of the convolutions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "convolve.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* n sums in registers, to each of which a product is added: rounded twice, as the convolutions do. */
#define PEAK(name, bytes, n, attr)                                                     \
    typedef float name##_vec __attribute__((vector_size(bytes)));                      \
    attr static double name(long rounds)                                               \
    {                                                                                  \
        name##_vec sum[n], y[n], x = (name##_vec){0} + 1e-9f;                          \
        for (int i = 0; i < n; i++) {                                                  \
            sum[i] = (name##_vec){0} + (float)i;                                       \
            y[i] = sum[i] * 0.5f;                                                      \
        }                                                                              \
        double start = now();                                                          \
        for (long r = 0; r < rounds; r++) {                                            \
            __asm__ volatile("" : "+x"(x));                                            \
            _Pragma("GCC unroll 16")                                                   \
            for (int i = 0; i < n; i++)                                                \
                sum[i] = sum[i] + x * y[i];                                            \
        }                                                                              \
        double took = now() - start;                                                   \
        for (int i = 0; i < n; i++)                                                    \
            __asm__ volatile("" : : "x"(sum[i]));                                      \
        return (double)rounds * n * 2 * (bytes / 4) / took / 1e9;                      \
    }

#if defined(__x86_64__)
PEAK(peak16, 16, 6, )
PEAK(peak32, 32, 6, __attribute__((target("avx2"))))
PEAK(peak64, 64, 12, __attribute__((target("avx512f"))))

static double peak(void)
{
    const long rounds = 20000000;
    if (__builtin_cpu_supports("avx512f"))
        return peak64(rounds);
    if (__builtin_cpu_supports("avx2"))
        return peak32(rounds);
    return peak16(rounds);
}
#else
static double peak(void) { return 0; }
#endif

/* The convolutions of dlib's face recognition network (dnn_face_recognition_ex.cpp), from a picture of 150 by 150. */
static const struct { int times, side, channels, filters, size, stride; } layers[] = {
    {1, 150, 3, 32, 7, 2},
    {6, 35, 32, 32, 3, 1},
    {1, 35, 32, 64, 3, 2},  {7, 17, 64, 64, 3, 1},
    {1, 17, 64, 128, 3, 2}, {5, 8, 128, 128, 3, 1},
    {1, 8, 128, 256, 3, 2}, {5, 3, 256, 256, 3, 1},
    {1, 3, 256, 256, 3, 2}, {1, 1, 256, 256, 3, 1},
};

int main(void)
{
    double best = 1e9, operations = 0;
    for (int round = 0; round < 20; round++) {
        double took = 0;
        operations = 0;
        for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
            ptrdiff_t padding = layers[i].stride == 1 ? layers[i].size / 2 : 0;
            ptrdiff_t out = (layers[i].side + 2 * padding - layers[i].size) / layers[i].stride + 1;
            struct facerec_window w = {layers[i].channels, layers[i].side, layers[i].side, layers[i].size, layers[i].size,
                                       layers[i].stride, layers[i].stride, padding, padding, out, out};
            size_t in = (size_t)layers[i].channels * (size_t)layers[i].side * (size_t)layers[i].side;
            size_t weights = (size_t)layers[i].filters * (size_t)layers[i].channels * (size_t)layers[i].size * (size_t)layers[i].size;
            float *picture = malloc(in * sizeof *picture), *filter = malloc(weights * sizeof *filter);
            float *result = malloc((size_t)layers[i].filters * (size_t)out * (size_t)out * sizeof *result);
            if (!picture || !filter || !result)
                return 1;
            for (size_t k = 0; k < in; k++)
                picture[k] = (float)(k % 17) * 0.125f;
            for (size_t k = 0; k < weights; k++)
                filter[k] = (float)(k % 13) * 0.0625f - 0.375f;
            double start = now();
            for (int t = 0; t < layers[i].times; t++)
                facerec_convolve(&w, (size_t)layers[i].filters, filter, picture, 0, result);
            took += now() - start;
            operations += 2.0 * layers[i].times * (double)weights * (double)out * (double)out;
            free(picture);
            free(filter);
            free(result);
        }
        if (took < best)
            best = took;
    }
    printf("%.0f %.0f %.2f %.1f\n", peak(), operations / best / 1e9, best * 1e3, operations / 1e6);
    return 0;
}
