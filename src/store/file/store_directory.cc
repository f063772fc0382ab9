#include "store/file/store_directory.h"

#include "base/try.h"
#include "format/entry_name.h"
#include "store/file/claim.h"

namespace larder::file_store {
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
    case Errc::no_space:
      say("no space left on the device; free some, or name another directory");
      break;
    case Errc::unsafe_directory:
    case Errc::not_a_store:
    case Errc::wrong_kind:
    case Errc::unsupported_version: break;
    default: error.message = std::string(path) + ": " + error.message;
  }
  return error;
}

}  // namespace

StoreDirectory::StoreDirectory(const FileStoreOptions& options)
    : file_system_(options.file_system != nullptr ? *options.file_system : posix_file_system()),
      layout_(options.layout),
      access_(options.access),
      create_(options.create),
      path_(options.directory) {}

Result<void> StoreDirectory::open() {
  if (create_ == Create::at_open && !read_only()) {
    LARDER_CHECK_OK(writer());
    return {};
  }
  LARDER_CHECK_OK(reader());
  return {};
}

bool StoreDirectory::trusts(std::uint32_t owner) const noexcept {
  return owner == file_system_.user().effective || owner == 0;
}

std::shared_ptr<Directory> StoreDirectory::current() const {
  const std::lock_guard lock(mutex_);
  return root_;
}

Result<std::shared_ptr<Directory>> StoreDirectory::reader() {
  if (auto root = current()) return root;
  const std::lock_guard lock(mutex_);
  if (root_) return root_;
  auto opened = open_existing();
  if (!opened && opened.error().code == Errc::absent) return nullptr;
  if (!opened) return std::unexpected(explain(std::move(opened).error(), path_));
  root_ = *std::move(opened);
  return root_;
}

Result<std::shared_ptr<Directory>> StoreDirectory::writer() {
  if (read_only()) {
    return std::unexpected(Error{.code = Errc::read_only,
                                 .message = path_ + ": opened read-only; open it for writing"});
  }
  const std::lock_guard lock(mutex_);
  if (claimed_) return root_;
  auto made = create();
  if (!made) return std::unexpected(explain(std::move(made).error(), path_));
  root_ = *std::move(made);
  claimed_ = true;
  return root_;
}

void StoreDirectory::forget() {
  const std::lock_guard lock(mutex_);
  root_.reset();
  claimed_ = false;
  ++generation_;
}

bool StoreDirectory::is_at_its_path() {
  const auto held = current();
  if (!held) return false;
  const auto held_info = held->info();
  const auto there = file_system_.open_directory(path_);
  const auto there_info = there ? (*there)->info() : std::unexpected(there.error());
  if (held_info && there_info && held_info->same_file(*there_info)) return true;
  forget();
  return false;
}

Result<std::shared_ptr<Directory>> StoreDirectory::open_existing() {
  LARDER_TRY(std::shared_ptr<Directory> root, file_system_.open_directory(path_));
  LARDER_CHECK_OK(check_owner_and_mode(file_system_, *root, path_));
  LARDER_CHECK_OK(examine_claim(*root, layout_, path_));
  return root;
}

Result<std::shared_ptr<Directory>> StoreDirectory::create() {
  auto opened = file_system_.open_directory(path_);
  if (!opened && opened.error().code == Errc::absent) {
    LARDER_CHECK_OK(make_directories(file_system_, path_));
    opened = file_system_.open_directory(path_);
  }
  if (!opened) return std::unexpected(std::move(opened).error());
  std::shared_ptr<Directory> root = *std::move(opened);
  LARDER_CHECK_OK(check_owner_and_mode(file_system_, *root, path_));
  LARDER_TRY(const Claim claim, examine_claim(*root, layout_, path_));
  if (claim == Claim::unclaimed || layout_ == FileLayout::vyre) {
    LARDER_CHECK_OK(sync_parent(file_system_, path_));
  }
  if (claim == Claim::unclaimed) LARDER_CHECK_OK(write_marker(file_system_, *root));
  return root;
}

}  // namespace larder::file_store
