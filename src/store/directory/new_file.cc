#include "store/directory/new_file.h"

#include <utility>

#include "base/guarded.h"
#include "base/try.h"
#include "format/entry_name.h"

namespace larder::store_directory {
namespace {

constexpr int name_attempts = 4;  // 128 random bits: a second attempt means a sweeper was faster

// Creates a named file that is locked and certainly still linked: a sweeper may have come between.
Result<std::shared_ptr<File>> create_named(FileSystem& file_system, Directory& root,
                                           std::string& name) {
  for (int attempt = 0; attempt < name_attempts; ++attempt) {
    LARDER_TRY(const std::string random, file_system.random_name());
    name = format::temporary_name(random);
    auto created = root.create_file(name);
    if (!created && created.error().code == Errc::exists) continue;
    if (!created) return std::unexpected(std::move(created).error());
    std::shared_ptr<File> file = *std::move(created);
    LARDER_TRY(const bool locked, file->try_lock(LockMode::exclusive, 0, 0));
    LARDER_TRY(const FileInfo info, file->info());
    if (locked && info.link_count == 1) return file;
  }
  return std::unexpected(Error{.code = Errc::io_error,
                               .message = "no temporary file could be kept; is something deleting "
                                          "files in the store?"});
}

}  // namespace

Result<NewFile> NewFile::create(FileSystem& file_system, Directory& root) {
  auto anonymous = root.create_anonymous();
  if (anonymous) return NewFile(file_system, root, *std::move(anonymous), {});
  if (anonymous.error().code != Errc::unsupported) {
    return std::unexpected(std::move(anonymous).error());
  }
  std::string name;
  LARDER_TRY(std::shared_ptr<File> file, create_named(file_system, root, name));
  return NewFile(file_system, root, std::move(file), std::move(name));
}

NewFile::NewFile(NewFile&& other) noexcept
    : file_system_(other.file_system_),
      root_(other.root_),
      file_(std::move(other.file_)),
      temporary_(std::exchange(other.temporary_, {})) {}

NewFile::~NewFile() {
  if (temporary_.empty()) return;
  // A failure leaves a leftover, which the next open sweeps; without memory it is not even tried.
  best_effort([&] { (void)root_->remove_file(temporary_); });
}

Result<void> NewFile::publish(Directory& directory, std::string_view name) {
  if (temporary_.empty()) return directory.link(*file_, name);
  return publish_named(directory, name);
}

Result<void> NewFile::publish_named(Directory& directory, std::string_view name) {
  auto moved = root_->rename_no_replace(temporary_, directory, name);
  if (moved) {
    temporary_.clear();
    return {};
  }
  // Some network file systems know no such rename, but links; the temporary name then goes at the
  // end.
  if (moved.error().code != Errc::unsupported) return moved;
  return directory.link(*file_, name);
}

Result<void> NewFile::give_temporary_name() {
  LARDER_TRY(const bool locked, file_->try_lock(LockMode::exclusive, 0, 0));
  if (!locked) {
    return std::unexpected(Error{.code = Errc::io_error, .message = "a new file is locked"});
  }
  LARDER_TRY(const std::string random, file_system_->random_name());
  const std::string name = format::temporary_name(random);
  LARDER_CHECK_OK(root_->link(*file_, name));
  temporary_ = name;
  return {};
}

Result<void> NewFile::replace(Directory& directory, std::string_view name) {
  if (temporary_.empty()) LARDER_CHECK_OK(give_temporary_name());
  LARDER_CHECK_OK(root_->rename_over(temporary_, directory, name));
  temporary_.clear();
  return {};
}

}  // namespace larder::store_directory
