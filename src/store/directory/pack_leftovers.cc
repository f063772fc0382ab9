#include "store/directory/pack_leftovers.h"

#include <array>
#include <span>

#include "base/try.h"
#include "format/pack_index.h"
#include "format/pack_name.h"

namespace larder::store_directory {
namespace {

constexpr std::size_t magic_bytes = 8;

Result<bool> begins_with(Directory& root, std::string_view name, std::string_view magic) {
  LARDER_TRY(const auto file, root.open_file(name, OpenMode::read));
  LARDER_TRY(const FileInfo info, file->info());
  if (info.kind != FileKind::regular) return false;
  std::array<char, magic_bytes> bytes;
  LARDER_TRY(const std::size_t count, file->read_at(std::as_writable_bytes(std::span(bytes)), 0));
  return count == 0 || std::string_view(bytes.data(), count) == magic;
}

Result<bool> is_empty_directory(Directory& root, std::string_view name) {
  LARDER_TRY(const auto directory, root.open_directory(name));
  bool empty = true;
  LARDER_CHECK_OK(directory->list([&empty](std::string_view) { return empty = false; }));
  return empty;
}

}  // namespace

bool is_name_of_pack_creation(std::string_view name) noexcept {
  return name == format::state_name || name == format::segments_name ||
         format::parse_index_name(name);
}

Result<bool> left_by_pack_creation(Directory& root, std::string_view name) {
  auto left = name == format::segments_name ? is_empty_directory(root, name)
              : name == format::state_name  ? begins_with(root, name, "LARDsta\n")
                                            : begins_with(root, name, "LARDidx\n");
  // A link, or a file in the place of the directory.
  if (!left && left.error().code == Errc::not_ours) return false;
  return left;
}

}  // namespace larder::store_directory
