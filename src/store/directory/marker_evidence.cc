#include "store/directory/marker_evidence.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "base/try.h"
#include "format/entry.h"
#include "format/entry_name.h"
#include "format/pack_index.h"
#include "format/pack_name.h"
#include "format/pack_segment.h"

namespace larder::store_directory {
namespace {

using format::StoreId;

constexpr std::size_t most_looked_at = 8;  // in a folder: they say the same

// The first bytes of a regular file that is `user`'s, or root's; as if it were empty when there is
// none.
template <std::size_t size>
Result<std::size_t> read_first(Directory& directory, std::string_view name, std::uint32_t user,
                               std::array<std::byte, size>& bytes) {
  const auto file = directory.open_file(name, OpenMode::read);
  if (!file) {
    const Errc code = file.error().code;
    if (code == Errc::absent || code == Errc::not_ours) return 0;
    return std::unexpected(file.error());
  }
  LARDER_TRY(const FileInfo info, (*file)->info());
  const bool is_trusted = info.owner == user || info.owner == 0;
  if (info.kind != FileKind::regular || !is_trusted) return 0;
  return (*file)->read_at(bytes, 0);
}

Result<std::optional<StoreId>> id_in_state(Directory& root, std::uint32_t user) {
  std::array<std::byte, format::state_bytes> bytes;
  LARDER_TRY(const std::size_t count, read_first(root, format::state_name, user, bytes));
  if (count < bytes.size()) return std::nullopt;
  return format::decode_state_header(bytes);
}

Result<std::optional<StoreId>> id_in_segment(Directory& segments, std::string_view name,
                                             std::uint32_t user) {
  std::array<std::byte, format::records_at> bytes = {};
  LARDER_TRY(const std::size_t count, read_first(segments, name, user, bytes));
  const auto head = std::span<const std::byte>(bytes).first(count);
  auto header = format::decode_segment_header(head);
  if (!header && count > format::segment_header_bytes) {
    header = format::decode_segment_header(head.subspan(format::segment_header_bytes));
  }
  return header ? std::optional(header->identity.store) : std::nullopt;
}

// Up to most_looked_at of the names in a folder; none where there is no such folder.
template <class Wanted>
Result<std::vector<std::string>> some_names(Directory& directory, const Wanted& is_wanted) {
  std::vector<std::string> names;
  LARDER_CHECK_OK(directory.list([&](std::string_view name) {
    if (is_wanted(name)) names.emplace_back(name);
    return names.size() < most_looked_at;
  }));
  return names;
}

Result<std::unique_ptr<Directory>> open_folder(Directory& root, std::string_view name) {
  auto folder = root.open_directory(name);
  if (folder) return folder;
  const Errc code = folder.error().code;
  if (code == Errc::absent || code == Errc::not_ours) return nullptr;
  return folder;
}

Result<std::vector<StoreId>> ids_in_segments(Directory& root, std::uint32_t user) {
  std::vector<StoreId> ids;
  LARDER_TRY(const auto segments, open_folder(root, format::segments_name));
  if (!segments) return ids;
  LARDER_TRY(const auto names, some_names(*segments, [](std::string_view name) {
               return format::parse_segment_name(name).has_value();
             }));
  for (const std::string& name : names) {
    LARDER_TRY(const auto id, id_in_segment(*segments, name, user));
    if (id) ids.push_back(*id);
  }
  return ids;
}

std::optional<StoreId> agreed(const std::optional<StoreId>& state,
                              const std::vector<StoreId>& ids) {
  const auto all_say = [&ids](const StoreId& id) {
    return std::ranges::all_of(ids, [&id](const StoreId& each) { return each == id; });
  };
  if (state) return all_say(*state) ? state : std::nullopt;
  return !ids.empty() && all_say(ids.front()) ? std::optional(ids.front()) : std::nullopt;
}

}  // namespace

Result<std::optional<StoreId>> id_of_pack(Directory& root, std::uint32_t user) {
  LARDER_TRY(const auto state, id_in_state(root, user));
  LARDER_TRY(const auto ids, ids_in_segments(root, user));
  return agreed(state, ids);
}

Result<std::optional<StoreId>> id_against_marker(Directory& root, std::uint32_t user,
                                                 const StoreId& marked) {
  LARDER_TRY(const auto state, id_in_state(root, user));
  if (state == marked) return std::nullopt;
  LARDER_TRY(const auto ids, ids_in_segments(root, user));
  return ids.empty() ? std::nullopt : agreed(state, ids);
}

Result<EntryFiles> look_at_entry_files(Directory& root, std::uint32_t user) {
  constexpr FileLayout layout = FileLayout::larder;
  EntryFiles files = EntryFiles::none;
  LARDER_TRY(const auto shards, some_names(root, [](std::string_view name) {
               return format::is_shard_name(layout, name);
             }));
  for (const std::string& shard : shards) {
    LARDER_TRY(const auto folder, open_folder(root, shard));
    if (!folder) continue;
    LARDER_TRY(const auto names, some_names(*folder, [&shard](std::string_view name) {
                 return format::parse_file_name(layout, shard, name).has_value();
               }));
    for (const std::string& name : names) {
      std::array<std::byte, format::header_bytes> header;
      LARDER_TRY(const std::size_t count, read_first(*folder, name, user, header));
      LARDER_TRY(const FileInfo info, folder->info_at(name));
      const bool is_entry =
          count == header.size() && format::header_is_plausible(layout, header, info.size_bytes);
      if (!is_entry) continue;
      const auto key_id = format::claimed_key_id(layout, header, info.size_bytes);
      if (key_id && *key_id != 0) return EntryFiles::with_key;
      files = EntryFiles::without_key;
    }
  }
  return files;
}

}  // namespace larder::store_directory
