/*
 * Compares hog.cc, with vectors of at most as many lanes as its argument says,
 * with dlib's own templates: features of pictures of many sizes, and filters
 * over them, every number equal. Prints "ok" and a hash of all
 * numbers, the same for every width of vector and every architecture, or the
 * first difference and exit status 1. On ARM only the filters are compared:
 * dlib adds the four parts of a feature in another order there.
 */
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <dlib/image_processing/scan_fhog_pyramid.h>

static int widest;
#define HOG_WIDEST widest
#include "hog.cc"

using namespace dlib;
typedef dlib::array<array2d<float>> planes;

static uint32_t seed = 1;
static uint32_t number()
{
    seed = seed * 1664525u + 1013904223u;
    return seed >> 8;
}

static uint64_t answer = 1469598103934665603u;
static void put(float v)
{
    v += 0.0f; /* the sign of a zero is not promised */
    unsigned char b[4];
    memcpy(b, &v, 4);
    for (int i = 0; i < 4; i++)
        answer = (answer ^ b[i]) * 1099511628211u;
}

template <typename image> static void paint(image &m, int kind)
{
    for (long y = 0; y < num_rows(m); y++)
        for (long x = 0; x < num_columns(m); x++) {
            rgb_pixel &p = reinterpret_cast<rgb_pixel *>(image_data(m))[y * num_columns(m) + x];
            switch (kind) {
            case 0: /* noise */
                p.red = number(), p.green = number(), p.blue = number();
                break;
            case 1: /* grey: all channels' gradients are equally long; much of it is flat */
                p.red = p.green = p.blue = (x / 9 + y / 7) % 3 * 90;
                break;
            case 2: /* few colours: now this channel wins, now that */
                p.red = number() % 2 * 255, p.green = number() % 2 * 255, p.blue = x * 3;
                break;
            default: /* smooth */
                p = rgb_pixel(x * y / 50, x + 2 * y, 255 - x);
            }
        }
}

template <typename image> static int features(const image &m, planes &quick)
{
    planes own;
    extract_fhog_features(m, quick, 8, 10, 10);
    extract_fhog_features<image>(m, own, 8, 10, 10);
    if (quick.size() != own.size()) {
        printf("differs: %ldx%ld: %zu planes, dlib has %zu\n", num_columns(m), num_rows(m), quick.size(), own.size());
        return 1;
    }
    for (unsigned long i = 0; i < own.size(); i++) {
        if (quick[i].nr() != own[i].nr() || quick[i].nc() != own[i].nc()) {
            printf("differs: size of %ldx%ld\n", num_columns(m), num_rows(m));
            return 1;
        }
        for (long y = 0; y < own[i].nr(); y++)
            for (long x = 0; x < own[i].nc(); x++) {
                put(quick[i][y][x]);
#if defined(__x86_64__)
                if (quick[i][y][x] != own[i][y][x]) {
                    printf("differs: %ldx%ld, plane %lu at %ld,%ld: %.9g, dlib has %.9g\n", num_columns(m), num_rows(m), i, x, y, quick[i][y][x], own[i][y][x]);
                    return 1;
                }
#endif
            }
    }
    return 0;
}

static int filters(const planes &hog)
{
    array2d<float> quick, own, scratch;
    for (unsigned long i = 0; i < hog.size(); i++) {
        matrix<float, 0, 1> row(HOG_TAPS), column(HOG_TAPS);
        for (int k = 0; k < HOG_TAPS; k++) {
            row(k) = (int)number() / 1e7f - 0.8f;
            column(k) = (int)number() / 1e7f - 0.8f;
        }
        rectangle a = float_spatially_filter_image_separable(hog[i], quick, row, column, scratch, i > 0);
        rectangle b = float_spatially_filter_image_separable<array2d<float>>(hog[i], own, row, column, scratch, i > 0);
        if (a != b || quick.nr() != own.nr() || quick.nc() != own.nc()) {
            printf("differs: the filter's area in %ldx%ld\n", hog[i].nc(), hog[i].nr());
            return 1;
        }
    }
    for (long y = 0; y < own.nr(); y++)
        for (long x = 0; x < own.nc(); x++) {
            put(quick[y][x]);
            if (quick[y][x] != own[y][x]) {
                printf("differs: filtered %ldx%ld at %ld,%ld: %.9g, dlib has %.9g\n", own.nc(), own.nr(), x, y, quick[y][x], own[y][x]);
                return 1;
            }
        }
    return 0;
}

int main(int, char **argv)
{
    widest = atoi(argv[1]);
    static const long sides[] = {1, 3, 19, 20, 27, 28, 64, 79, 80, 83, 91, 92, 145, 261};
    enum { COUNT = sizeof sides / sizeof *sides };
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; j < COUNT; j++) {
            matrix<rgb_pixel> m(sides[i], sides[j]);
            array2d<rgb_pixel> a(sides[j], sides[i]);
            planes hog;
            paint(m, (i + j) % 4);
            paint(a, (i + 3 * j) % 4);
            if (features(m, hog) || filters(hog) || features(a, hog) || filters(hog))
                return 1;
        }
    printf("ok %016llx\n", (unsigned long long)answer);
    return 0;
}
