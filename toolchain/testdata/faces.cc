/* Compares the weights that are linked in with what dlib's own function unpacks. */
#define FACEREC_PLAIN_DLIB
#include <cstdio>
#include <dlib/image_processing/frontal_face_detector.h>

extern "C" const char hog_faces[], hog_faces_end[];

int main()
{
    const std::string want = dlib::get_serialized_frontal_faces(), got(hog_faces, hog_faces_end);
    printf(got == want && !got.empty() ? "ok\n" : "%zu bytes are linked in, dlib has %zu\n", got.size(), want.size());
}
