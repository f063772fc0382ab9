// Crash model. A store is made in this order: the directory, fsync of its parent; the marker's
// bytes, fdatasync; the marker's name, which it gets whole or not at all; fsync of the directory. A
// crash leaves a directory that is empty but for temporaries of ours, or whose marker is empty
// (file systems that lose data without losing names); both count as unclaimed, and the next open
// for writing goes through all steps again, the fsync of the parent of a directory that exists
// included: whoever made it may have been stopped just before. A vyre directory has no marker to
// tell, so that its parent is synced by every open for writing.
//
// A marker that is damaged or lost, or names another id than all that the store holds, is replaced
// by one of the id that the rest of the store proves. What is not damaged is never replaced, nor
// what stands beside nothing of ours: it is somebody else's.
#include "store/directory/claim.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>
#include <vector>

#include "base/hex.h"
#include "base/try.h"
#include "format/entry_name.h"
#include "format/marker.h"
#include "store/directory/marker_evidence.h"
#include "store/directory/new_file.h"
#include "store/directory/pack_leftovers.h"

namespace larder::store_directory {
namespace {

constexpr std::uint32_t writable_by_others = 0022;
constexpr std::uint32_t writable_by_all = 0002;
constexpr std::uint32_t sticky = 01000;
constexpr int marker_lock_attempts = 500;
constexpr auto marker_lock_pause = std::chrono::milliseconds(1);

std::unexpected<Error> refuse(Errc code, std::string_view path, std::string_view why) {
  std::string message(path);
  message += ": ";
  message += why;
  return std::unexpected(Error{.code = code, .message = std::move(message)});
}

// Whoever may rename entries of a parent can put another directory in our place.
Result<void> check_parents(FileSystem& file_system, std::string path, std::string_view root) {
  while (path != "/") {
    const std::size_t slash = path.rfind('/');
    path.resize(slash == 0 || slash == std::string::npos ? 1 : slash);
    if (slash == std::string::npos) return {};
    auto parent = file_system.open_directory(path);
    // A parent that may be entered but not read is nobody's to list.
    if (!parent && parent.error().code == Errc::permission_denied) continue;
    if (!parent) return std::unexpected(std::move(parent).error());
    LARDER_TRY(const FileInfo info, (*parent)->info());
    if ((info.permissions & writable_by_all) != 0 && (info.permissions & sticky) == 0) {
      return refuse(Errc::unsafe_directory, root,
                    "its parent " + path +
                        " is writable by everybody and not sticky, so that others "
                        "could swap the store; run: chmod o-w " +
                        path);
    }
  }
  return {};
}

struct MarkerFile {
  std::string text = "not a marker";
  bool may_be_marker = false;  // a file of such a length
};

Result<MarkerFile> read_marker(Directory& root) {
  auto file = root.open_file(format::marker_name, OpenMode::read);
  if (!file && file.error().code == Errc::not_ours) return MarkerFile{};
  if (!file) return std::unexpected(std::move(file).error());
  LARDER_TRY(const FileInfo info, (*file)->info());
  if (info.kind != FileKind::regular || info.size_bytes > format::max_marker_bytes) {
    return MarkerFile{};
  }
  std::string text(info.size_bytes, '\0');
  LARDER_TRY(const std::size_t count, (*file)->read_at(std::as_writable_bytes(std::span(text)), 0));
  text.resize(count);
  return MarkerFile{.text = std::move(text), .may_be_marker = true};
}

bool left_by_creation(std::string_view name) {
  return format::is_temporary_name(name) || name == format::marker_name ||
         name == format::lock_name || name == format::config_name;
}

Result<Claim> examine_unmarked(Directory& root, Kind kind, std::string_view path) {
  std::string foreign;
  std::vector<std::string> of_pack;
  LARDER_CHECK_OK(root.list([&](std::string_view name) {
    if (left_by_creation(name)) return true;
    const bool known = kind == Kind::pack && is_name_of_pack_creation(name);
    known ? of_pack.emplace_back(name) : foreign = name;
    return known;
  }));
  for (std::size_t i = 0; i < of_pack.size() && foreign.empty(); ++i) {
    LARDER_TRY(const bool left, left_by_pack_creation(root, of_pack[i]));
    if (!left) foreign = of_pack[i];
  }
  if (foreign.empty()) return Claim{};
  return refuse(Errc::not_a_store, path,
                "not a Larder store: it holds \"" + foreign +
                    "\" and no marker file LARDER; name an empty or a new directory"
                    " (a directory of <64 hex>.bin files is named vyre:DIR)");
}

std::unexpected<Error> refuse_kind(std::string_view found, Kind wanted, std::string_view path) {
  std::string why = "a Larder store of kind " + std::string(found) + ", not ";
  why += wanted == Kind::vyre ? "a vyre directory" : kind_name(wanted);
  const bool known = found == kind_name(Kind::file) || found == kind_name(Kind::pack);
  why += known ? "; name it " + std::string(found) + ":" + std::string(path)
               : "; name it by its own scheme, or name another directory";
  return refuse(Errc::wrong_kind, path, why);
}

// 32 hex digits, as decode_marker has made sure.
format::StoreId id_of(const format::Marker& marker) {
  format::StoreId id;
  for (std::size_t i = 0; i < id.size(); ++i) {
    id[i] =
        static_cast<std::byte>(hex_digit(marker.id[2 * i]) << 4 | hex_digit(marker.id[2 * i + 1]));
  }
  return id;
}

bool differ_in_one(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  std::size_t others = 0;
  for (std::size_t i = 0; i < a.size(); ++i) others += a[i] == b[i] ? 0 : 1;
  return others == 1;
}

// Not what a newer Larder has written.
bool is_damaged(const Result<format::Marker>& marker) {
  if (!marker) return marker.error().code == Errc::not_a_store;
  return differ_in_one(marker->kind, kind_name(Kind::file)) ||
         differ_in_one(marker->kind, kind_name(Kind::pack));
}

// Its last line, when that is whole.
std::optional<format::StoreId> id_in_damaged(std::string_view text) {
  constexpr std::size_t digits = 32;
  const std::size_t at = text.rfind("\nid ");
  if (at == std::string_view::npos || text.size() != at + 4 + digits + 1) return std::nullopt;
  const std::string_view id = text.substr(at + 4, digits);
  const bool is_whole =
      text.back() == '\n' && std::ranges::all_of(id, [](char c) { return hex_digit(c) >= 0; });
  return is_whole ? std::optional(id_of({.kind = {}, .id = std::string(id)})) : std::nullopt;
}

// Of a store whose marker cannot be read. The id of a file store is nowhere else: where it is lost,
// the store gets another one, unless it has entries that were made with a key, which need it.
Result<std::optional<Claim>> claim_by_evidence(Directory& root, std::uint32_t user, Kind kind,
                                               const std::string& text) {
  Claim claim{.ours = true, .marker_is_damaged = true, .damaged_text = text};
  if (kind == Kind::file) {
    LARDER_TRY(const EntryFiles files, look_at_entry_files(root, user));
    claim.id = id_in_damaged(text);
    const bool is_store =
        files == EntryFiles::without_key || (files == EntryFiles::with_key && claim.id.has_value());
    return is_store ? std::optional(claim) : std::nullopt;
  }
  if (kind == Kind::vyre) return std::nullopt;
  LARDER_TRY(claim.id, id_of_pack(root, user));
  return claim.id ? std::optional(claim) : std::nullopt;
}

// The same where there is none at all: `state` alone may be left by a creation that was cut short.
Result<std::optional<Claim>> claim_without_marker(Directory& root, std::uint32_t user, Kind kind) {
  if (kind != Kind::pack) return claim_by_evidence(root, user, kind, {});
  LARDER_TRY(const auto id, id_against_marker(root, user, {}));
  if (!id) return std::nullopt;
  return Claim{.ours = true, .id = id, .marker_is_damaged = true};
}

std::string hex_of(const format::StoreId& id) {
  std::array<std::uint8_t, std::tuple_size_v<format::StoreId>> bytes;
  std::ranges::transform(id, bytes.begin(),
                         [](std::byte byte) { return std::to_integer<std::uint8_t>(byte); });
  return to_hex(bytes);
}

bool is_empty_marker(const FileInfo& info) {
  return info.kind == FileKind::regular && info.size_bytes == 0;
}

// Waits for a lock that is held for some microseconds.
Result<void> lock_marker(File& marker) {
  for (int attempt = 0; attempt < marker_lock_attempts; ++attempt) {
    LARDER_TRY(const bool locked, marker.try_lock(LockMode::exclusive, 0, 0));
    if (locked) return {};
    std::this_thread::sleep_for(marker_lock_pause);
  }
  return std::unexpected(Error{.code = Errc::timed_out,
                               .message = "another process is making a store there; try again"});
}

// Under a lock on the one that is there, when it is the one that was seen: of two processes that
// replace it one after another, the first would go on with an id that is the store's no more.
Result<void> replace_marker(Directory& root, std::string_view seen, NewFile& file) {
  LARDER_TRY(const auto there, root.open_file(format::marker_name, OpenMode::read_write));
  LARDER_CHECK_OK(lock_marker(*there));
  LARDER_TRY(const FileInfo locked, there->info());
  LARDER_TRY(const FileInfo now, root.info_at(format::marker_name));
  std::string text(std::min<std::uint64_t>(locked.size_bytes, format::max_marker_bytes), '\0');
  LARDER_TRY(const std::size_t count, there->read_at(std::as_writable_bytes(std::span(text)), 0));
  text.resize(count);
  if (!locked.same_file(now) || text != seen) return {};
  return file.replace(root, format::marker_name);
}

Result<void> replace_empty_marker(Directory& root, NewFile& file) {
  LARDER_TRY(const FileInfo before, root.info_at(format::marker_name));
  return is_empty_marker(before) ? replace_marker(root, "", file) : Result<void>();
}

Result<NewFile> make_marker(FileSystem& file_system, Directory& root,
                            const format::Marker& marker) {
  const std::string text = format::encode_marker(marker);
  LARDER_TRY(NewFile file, NewFile::create(file_system, root));
  const std::array pieces{std::as_bytes(std::span(text.data(), text.size()))};
  LARDER_CHECK_OK(file.file().write_at(pieces, 0));
  LARDER_CHECK_OK(file.file().sync_data());
  return file;
}

}  // namespace

Result<void> check_owner_and_mode(FileSystem& file_system, Directory& root, std::string_view path) {
  LARDER_TRY(const FileInfo info, root.info());
  const std::uint32_t user = file_system.user().effective;
  if (info.owner != user && info.owner != 0) {
    return refuse(Errc::unsafe_directory, path,
                  "belongs to user " + std::to_string(info.owner) + ", not to you (" +
                      std::to_string(user) + "); name a directory of your own");
  }
  // One as /tmp is everybody's on purpose.
  if ((info.permissions & writable_by_others) != 0 && (info.permissions & sticky) != 0) {
    return refuse(Errc::unsafe_directory, path,
                  "a directory for everybody is no place for a store; name one of your own, below "
                  "it for instance");
  }
  if ((info.permissions & writable_by_others) != 0) {
    return refuse(Errc::unsafe_directory, path,
                  "others may write into it; run: chmod go-w " + std::string(path));
  }
  LARDER_TRY(std::string resolved, file_system.resolve(path));
  return check_parents(file_system, std::move(resolved), path);
}

std::string_view kind_name(Kind kind) noexcept {
  switch (kind) {
    case Kind::file: return "file";
    case Kind::vyre: return "vyre";
    case Kind::pack: break;
  }
  return "pack";
}

namespace {

Result<Claim> examine_once(FileSystem& file_system, Directory& root, Kind kind,
                           std::string_view path) {
  const std::uint32_t user = file_system.user().effective;
  auto file = read_marker(root);
  const bool absent = !file && file.error().code == Errc::absent;
  if (!file && !absent) {
    file.error().message = std::string(path) + "/LARDER: " + file.error().message;
    return std::unexpected(std::move(file).error());
  }
  if (absent) {
    if (kind == Kind::vyre) return Claim{.ours = true};
    LARDER_TRY(const auto proven, claim_without_marker(root, user, kind));
    return proven ? *proven : examine_unmarked(root, kind, path);
  }
  auto marker = format::decode_marker(file->text);
  if (file->may_be_marker && is_damaged(marker)) {
    LARDER_TRY(const auto proven, claim_by_evidence(root, user, kind, file->text));
    if (proven) return *proven;
  }
  if (file->text.empty()) return examine_unmarked(root, kind, path);
  if (!marker && marker.error().code == Errc::not_a_store) {
    return refuse(Errc::not_a_store, path,
                  "its file LARDER is not a marker of Larder, and nothing beside it is; if it was "
                  "damaged, move the directory away, else name another one");
  }
  if (!marker) return refuse(marker.error().code, path, marker.error().message);
  if (kind == Kind::vyre || marker->kind != kind_name(kind)) {
    return refuse_kind(marker->kind, kind, path);
  }
  const format::StoreId id = id_of(*marker);
  if (kind == Kind::file) return Claim{.ours = true, .id = id};
  LARDER_TRY(const auto other, id_against_marker(root, user, id));
  // All else says one thing, and the marker all but that: no other explanation is as likely.
  if (!other || !differ_in_one(hex_of(*other), marker->id)) return Claim{.ours = true, .id = id};
  return Claim{.ours = true, .id = other, .marker_is_damaged = true, .damaged_text = file->text};
}

}  // namespace

// Who makes the store beside us writes the marker before all else: where that was missing, what was
// seen afterwards may be a store that has been made since.
Result<Claim> examine_claim(FileSystem& file_system, Directory& root, Kind kind,
                            std::string_view path) {
  auto claim = examine_once(file_system, root, kind, path);
  const bool is_foreign = !claim && claim.error().code == Errc::not_a_store;
  if (!is_foreign || !root.info_at(format::marker_name)) return claim;
  return examine_once(file_system, root, kind, path);
}

std::optional<Kind> marked_kind(FileSystem& file_system, const std::string& path) {
  const auto root = file_system.open_directory(path);
  if (!root) return std::nullopt;
  const auto file = read_marker(**root);
  const std::uint32_t user = file_system.user().effective;
  if (!file && file.error().code != Errc::absent) return std::nullopt;
  const auto marker = file ? format::decode_marker(file->text) : Result<format::Marker>();
  const bool damaged = file && file->may_be_marker && is_damaged(marker);
  for (const Kind kind : {Kind::pack, Kind::file}) {
    if (file && marker && marker->kind == kind_name(kind)) return kind;
    if (file && !damaged) continue;
    const auto proven = file ? claim_by_evidence(**root, user, kind, file->text)
                             : claim_without_marker(**root, user, kind);
    if (proven && *proven) return kind;
  }
  return std::nullopt;
}

Result<void> write_marker(FileSystem& file_system, Directory& root, Kind kind) {
  LARDER_TRY(const std::string id, file_system.random_name());
  LARDER_TRY(NewFile file,
             make_marker(file_system, root, {.kind = std::string(kind_name(kind)), .id = id}));
  auto published = file.publish(root, format::marker_name);
  if (!published && published.error().code == Errc::exists) {
    published = replace_empty_marker(root, file);
  }
  if (!published) return published;
  return root.sync();
}

Result<void> mend_marker(FileSystem& file_system, Directory& root, Kind kind, const Claim& claim) {
  LARDER_TRY(std::string text, file_system.random_name());
  if (claim.id) text = hex_of(*claim.id);
  LARDER_TRY(NewFile file,
             make_marker(file_system, root, {.kind = std::string(kind_name(kind)), .id = text}));
  auto replaced = file.publish(root, format::marker_name);
  if (!replaced && replaced.error().code == Errc::exists)
    replaced = replace_marker(root, claim.damaged_text, file);
  if (!replaced) return replaced;
  return root.sync();
}

Result<void> sync_parent(FileSystem& file_system, const std::string& path) {
  const auto parent = file_system.open_directory(path + "/..");
  // What stands in a directory that we may not read was made by somebody else.
  if (!parent && parent.error().code == Errc::permission_denied) return {};
  if (!parent) return std::unexpected(parent.error());
  return (*parent)->sync();
}

Result<void> make_directories(FileSystem& file_system, const std::string& path) {
  if (auto there = file_system.open_directory(path); there) return sync_parent(file_system, path);
  const std::size_t end = path.find_last_not_of('/');
  if (end == std::string::npos) return {};
  const std::size_t slash = path.rfind('/', end);
  const std::string parent_path = slash == std::string::npos ? "."
                                  : slash == 0               ? "/"
                                                             : path.substr(0, slash);
  const std::string name = path.substr(slash == std::string::npos ? 0 : slash + 1,
                                       end - (slash == std::string::npos ? 0 : slash + 1) + 1);
  LARDER_CHECK_OK(make_directories(file_system, parent_path));
  LARDER_TRY(const auto parent, file_system.open_directory(parent_path));
  auto made = parent->make_directory(name);
  if (!made && made.error().code != Errc::exists) return made;
  return parent->sync();
}

}  // namespace larder::store_directory
