/*
 * Compares the scores that the HOG detector notes when it is asked for rectangles
 * alone, as go-face does, with those that dlib gives itself when it is asked for
 * them. The threshold is lowered until there are faces in noise.
 */
#include <cstdio>
#include <thread>
#include <vector>
#include <dlib/image_processing/frontal_face_detector.h>

using namespace dlib;

static int check(unsigned seed)
{
    matrix<rgb_pixel> img(240, 320);
    for (auto &p : img)
        for (unsigned char *c : {&p.red, &p.green, &p.blue})
            *c = (seed = seed * 1664525u + 1013904223u) >> 24;
    frontal_face_detector detector = get_frontal_face_detector();
    std::vector<std::pair<double, rectangle>> want;
    detector(img, want, -1.5);
    facerec_scores_clear();
    const std::vector<rectangle> rects = detector(img, -1.5);
    size_t n;
    const facerec_score *got = facerec_scores(&n);
    if (want.empty() || rects.size() != want.size() || n != want.size())
        return printf("%zu faces, %zu rectangles, %zu scores\n", want.size(), rects.size(), n), 1;
    for (size_t i = 0; i < n; i++)
        if (rectangle(got[i].left, got[i].top, got[i].right, got[i].bottom) != rects[i] || want[i].second != rects[i] || got[i].score != want[i].first)
            return printf("score %zu is %g, expected %g\n", i, got[i].score, want[i].first), 1;
    facerec_scores_clear();
    facerec_scores(&n);
    return n != 0;
}

int main()
{
    int failed[2];
    std::thread other([&] { failed[1] = check(2); }); /* each thread has its own */
    failed[0] = check(1);
    other.join();
    if (failed[0] || failed[1])
        return 1;
    puts("ok");
}
