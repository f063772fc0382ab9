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

StoreDirectory::Root StoreDirectory::claimed() const {
  const std::lock_guard lock(mutex_);
  if (!claimed_) return {};
  return {.directory = root_, .generation = generation_};
}

Result<std::shared_ptr<Directory>> StoreDirectory::reader() {
  if (auto root = current()) return root;
  auto opened = open_existing();
  if (!opened && opened.error().code == Errc::absent) return nullptr;
  if (!opened) return std::unexpected(explain(std::move(opened).error(), path_));
  const std::lock_guard lock(mutex_);
  if (!root_) LARDER_CHECK_OK(adopt(*std::move(opened)));
  return root_;
}

Result<std::shared_ptr<Directory>> StoreDirectory::writer() {
  LARDER_TRY(Root root, writer_root());
  return std::move(root.directory);
}

Result<StoreDirectory::Root> StoreDirectory::writer_root() {
  if (read_only()) {
    return std::unexpected(Error{.code = Errc::read_only,
                                 .message = path_ + ": opened read-only; open it for writing"});
  }
  if (Root root = claimed(); root.directory) return root;
  // Not under mutex_: a reader shall not wait for the syncs of a creation.
  const std::lock_guard creation(creation_mutex_);
  if (Root root = claimed(); root.directory) return root;
  auto made = create();
  if (!made) return std::unexpected(explain(std::move(made).error(), path_));
  const std::lock_guard lock(mutex_);
  LARDER_CHECK_OK(adopt(*std::move(made)));
  claimed_ = true;
  return Root{.directory = root_, .generation = generation_};
}

void StoreDirectory::forget() {
  const std::lock_guard lock(mutex_);
  root_.reset();
  claimed_ = false;
}

// With mutex_ held.
Result<void> StoreDirectory::adopt(std::shared_ptr<Directory> root) {
  LARDER_TRY(const FileInfo info, root->info());
  if (!identity_.same_file(info)) ++generation_;
  identity_ = info;
  root_ = std::move(root);
  return {};
}

Result<bool> StoreDirectory::is_at_its_path() {
  const auto held = current();
  if (!held) return false;
  LARDER_TRY(const FileInfo held_info, held->info());
  const auto there = file_system_.open_directory(path_);
  const bool gone =
      !there && (there.error().code == Errc::absent || there.error().code == Errc::not_ours);
  if (!there && !gone) {
    return std::unexpected(Error{.code = Errc::io_error,
                                 .os_error = there.error().os_error,
                                 .message = path_ + ": " + there.error().message +
                                            "; nothing is lost: look at the limit of open files, "
                                            "try again"});
  }
  if (there) {
    LARDER_TRY(const FileInfo there_info, (*there)->info());
    if (held_info.same_file(there_info)) return true;
  }
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
