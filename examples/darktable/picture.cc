#include "picture.h"

#include <png.h>

#include <algorithm>

namespace darktable_job {

larder::Result<Picture> read_png(const std::string& path) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  std::vector<png_byte> bytes;
  int good = png_image_begin_read_from_file(&image, path.c_str());
  if (good != 0) {
    image.format = PNG_FORMAT_RGBA;
    bytes.resize(PNG_IMAGE_SIZE(image));
    good = png_image_finish_read(&image, nullptr, bytes.data(), 0, nullptr);
  }
  if (good == 0) {
    return std::unexpected(larder::Error{
        .code = larder::Errc::io_error,
        .message = path + ": " + std::string(image.message) + "; name a readable PNG file"});
  }
  Picture picture{.width = image.width, .height = image.height, .pixels = {}};
  picture.pixels.resize(bytes.size());
  std::ranges::transform(bytes, picture.pixels.begin(),
                         [](png_byte value) { return static_cast<float>(value) / 255.0F; });
  return picture;
}

}  // namespace darktable_job
