#include "store/directory/store_directory.h"

#include <utility>

#include "base/try.h"
#include "store/directory/explain.h"

namespace larder::store_directory {
namespace {

// The same errno means another thing to a user who named a directory than to an algorithm.
Error explain(Error error, std::string_view path) {
  const auto say = [&](std::string_view what) {
    error.message = std::string(path) + ": " + std::string(what);
  };
  switch (error.code) {
    case Errc::not_ours: say("not a directory; name a directory, or move the file away"); break;
    case Errc::permission_denied:
      say("permission denied; check the owner and mode of it and of its parents");
      break;
    case Errc::absent:
      say("cannot be made there: a parent is missing, or its file system takes no directories; "
          "name "
          "another directory");
      break;
    case Errc::read_only: say("on a read-only file system; name another directory"); break;
    case Errc::no_space: return full_disk(std::move(error), path);
    case Errc::unsafe_directory:
    case Errc::not_a_store:
    case Errc::wrong_kind:
    case Errc::unsupported_version: break;
    default: error.message = std::string(path) + ": " + error.message;
  }
  return error;
}

}  // namespace

StoreDirectory::StoreDirectory(DirectoryOptions options)
    : options_(std::move(options)),
      file_system_(options_.file_system != nullptr ? *options_.file_system : posix_file_system()) {}

Result<void> StoreDirectory::open() {
  if (options_.create == Create::at_open && !read_only()) {
    LARDER_CHECK_OK(writer());
    return {};
  }
  LARDER_CHECK_OK(reader());
  return {};
}

bool StoreDirectory::trusts(std::uint32_t owner) const noexcept {
  return owner == file_system_.user().effective || owner == 0;
}

// With mutex_ held.
StoreDirectory::Root StoreDirectory::held() const {
  return {.directory = root_, .generation = generation_, .id = id_};
}

void StoreDirectory::tell_of_mended_marker(const Logger& log) const {
  if (!has_mended_ || !log) return;
  log(LogLevel::warning, path() +
                             ": its marker LARDER was damaged, and was made anew from what the "
                             "store holds; look for other damage with larder verify");
}

StoreDirectory::Root StoreDirectory::current() const {
  const std::lock_guard lock(mutex_);
  return held();
}

StoreDirectory::Root StoreDirectory::claimed() const {
  const std::lock_guard lock(mutex_);
  return claimed_ ? held() : Root{};
}

Result<StoreDirectory::Root> StoreDirectory::reader_root() {
  if (Root root = current(); root.directory) return root;
  auto found = open_existing();
  if (!found && found.error().code == Errc::absent) return Root{};
  if (!found) return std::unexpected(explain(std::move(found).error(), path()));
  if (!found->claim.ours) return Root{};
  const std::lock_guard lock(mutex_);
  if (!root_) LARDER_CHECK_OK(adopt(*std::move(found)));
  return held();
}

Result<std::shared_ptr<Directory>> StoreDirectory::reader() {
  LARDER_TRY(Root root, reader_root());
  return std::move(root.directory);
}

Result<std::shared_ptr<Directory>> StoreDirectory::writer() {
  LARDER_TRY(Root root, writer_root());
  return std::move(root.directory);
}

Result<StoreDirectory::Root> StoreDirectory::writer_root() {
  if (read_only()) {
    return std::unexpected(opened_read_only(path()));
  }
  if (Root root = claimed(); root.directory) return root;
  // Not under mutex_: a reader shall not wait for the syncs of a creation.
  const std::lock_guard creation(creation_mutex_);
  if (Root root = claimed(); root.directory) return root;
  auto made = create();
  if (!made) return std::unexpected(explain(std::move(made).error(), path()));
  const std::lock_guard lock(mutex_);
  LARDER_CHECK_OK(adopt(*std::move(made)));
  claimed_ = true;
  return held();
}

void StoreDirectory::forget() {
  const std::lock_guard lock(mutex_);
  root_.reset();
  claimed_ = false;
}

// With mutex_ held.
Result<void> StoreDirectory::adopt(Found found) {
  LARDER_TRY(const FileInfo info, found.directory->info());
  // A directory that was deleted may have left its number to the one that was made after it.
  if (!identity_.same_file(info) || id_ != found.claim.id) ++generation_;
  identity_ = info;
  id_ = found.claim.id;
  root_ = std::move(found.directory);
  return {};
}

Result<bool> StoreDirectory::is_at_its_path() {
  const auto open = current().directory;
  if (!open) return false;
  LARDER_TRY(const FileInfo open_info, open->info());
  const auto there = open_root();
  const bool gone =
      !there && (there.error().code == Errc::absent || there.error().code == Errc::not_ours);
  if (!there && !gone) {
    return std::unexpected(Error{.code = Errc::io_error,
                                 .os_error = there.error().os_error,
                                 .message = path() + ": " + there.error().message +
                                            "; nothing is lost: look at the limit of open files, "
                                            "try again"});
  }
  if (there) {
    LARDER_TRY(const FileInfo there_info, (*there)->info());
    if (open_info.same_file(there_info)) return true;
  }
  forget();
  return false;
}

std::string StoreDirectory::name_within() const { return path().substr(path().rfind('/') + 1); }

Result<std::shared_ptr<Directory>> StoreDirectory::open_root() {
  if (!options_.within) return file_system_.open_directory(path());
  return options_.within->open_directory(name_within());
}

Result<void> StoreDirectory::make_root() {
  if (!options_.within) return make_directories(file_system_, path());
  auto made = options_.within->make_directory(name_within());
  if (!made && made.error().code != Errc::exists) return made;
  return options_.within->sync();
}

Result<void> StoreDirectory::sync_parent_of_root() {
  return options_.within ? options_.within->sync() : sync_parent(file_system_, path());
}

Result<StoreDirectory::Found> StoreDirectory::open_existing() {
  LARDER_TRY(std::shared_ptr<Directory> root, open_root());
  LARDER_CHECK_OK(check_owner_and_mode(file_system_, *root, path()));
  LARDER_TRY(const Claim claim, examine_claim(file_system_, *root, options_.kind, path()));
  return Found{.directory = std::move(root), .claim = claim};
}

Result<StoreDirectory::Found> StoreDirectory::open_or_make() {
  auto found = open_existing();
  if (found || found.error().code != Errc::absent) return found;
  LARDER_CHECK_OK(make_root());
  return open_existing();
}

Result<StoreDirectory::Found> StoreDirectory::create() {
  LARDER_TRY(Found found, open_or_make());
  if (!found.claim.ours || options_.kind == Kind::vyre) {
    LARDER_CHECK_OK(sync_parent_of_root());
  }
  if (found.claim.marker_is_damaged) {
    LARDER_CHECK_OK(mend_marker(file_system_, *found.directory, options_.kind, found.claim));
    LARDER_TRY(found.claim, examine_claim(file_system_, *found.directory, options_.kind, path()));
    has_mended_ = true;
  }
  if (found.claim.ours) return found;
  LARDER_CHECK_OK(write_marker(file_system_, *found.directory, options_.kind));
  // Another process may have been faster, and for another kind.
  LARDER_TRY(found.claim, examine_claim(file_system_, *found.directory, options_.kind, path()));
  if (found.claim.ours) return found;
  return std::unexpected(Error{.code = Errc::io_error,
                               .message = "its marker LARDER went as soon as it was made; is "
                                          "something deleting files in the store?"});
}

}  // namespace larder::store_directory
