/* Writes the weights of dlib's frontal face detector, as its own function unpacks them. */
#define FACEREC_PLAIN_DLIB
#include <cstdio>
#include <dlib/image_processing/frontal_face_detector.h>

int main()
{
    const std::string s = dlib::get_serialized_frontal_faces();
    return fwrite(s.data(), 1, s.size(), stdout) == s.size() ? 0 : 1;
}
