#include "store/pack/allowed.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/try.h"

namespace larder::pack_store {
namespace {

// Local, with one page cache for reads, writes and mappings. On overlay the files in use are copied
// up before they are mapped, since they are opened for writing first.
constexpr std::array<std::string_view, 6> fit = {"ext4", "xfs",     "btrfs",
                                                 "f2fs", "overlay", "tmpfs"};

// "ext4, xfs, ... or tmpfs"
std::string all_fit() {
  std::string text;
  for (const std::string_view type : fit) {
    if (!text.empty()) text += type == fit.back() ? " or " : ", ";
    text += type;
  }
  return text;
}

}  // namespace

Result<void> check_type(Directory& directory, const std::string& path) {
  LARDER_TRY(const std::string type, directory.file_system_type());
  if (std::ranges::find(fit, type) != fit.end()) return {};
  return std::unexpected(
      Error{.code = Errc::unsupported,
            .message = path + ": on a file system (" + type +
                       ") where a pack store is not known to be safe; name it file:" + path +
                       ", or a directory on " + all_fit()});
}

Result<void> check_before_making(FileSystem& file_system, const std::string& path) {
  std::string place = path;
  for (;;) {
    auto directory = file_system.open_directory(place);
    if (directory) return check_type(**directory, path);
    const Errc code = directory.error().code;
    // Who may not read it, or finds something else there, is told by the open that follows.
    if (code == Errc::permission_denied || code == Errc::not_ours) return {};
    if (code != Errc::absent) {
      directory.error().message = place + ": " + directory.error().message;
      return std::unexpected(std::move(directory).error());
    }
    const std::size_t slash = place.find_last_of('/');
    if (slash == std::string::npos || place == "/") return {};
    place.resize(std::max<std::size_t>(slash, 1));
  }
}

}  // namespace larder::pack_store
