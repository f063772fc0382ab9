// An open directory by its descriptor.
#ifndef LARDER_OS_POSIX_DIRECTORY_H_
#define LARDER_OS_POSIX_DIRECTORY_H_

#include "larder/file_system.h"
#include "os/descriptor.h"

namespace larder::os {

class PosixDirectory final : public Directory {
 public:
  explicit PosixDirectory(Descriptor descriptor) noexcept : descriptor_(std::move(descriptor)) {}

  Result<FileInfo> info() override;
  Result<FileInfo> info_at(std::string_view path) override;
  Result<SpaceInfo> space() override;
  Result<std::string> file_system_type() override;
  Result<std::unique_ptr<File>> open_file(std::string_view path, OpenMode mode) override;
  Result<std::unique_ptr<File>> open_or_create_file(std::string_view name) override;
  Result<std::unique_ptr<File>> create_anonymous() override;
  Result<std::unique_ptr<File>> create_file(std::string_view name) override;
  Result<void> link(File& file, std::string_view name) override;
  Result<void> rename_over(std::string_view name, Directory& to, std::string_view to_name) override;
  Result<void> rename_no_replace(std::string_view name, Directory& to,
                                 std::string_view to_name) override;
  Result<void> remove_file(std::string_view path) override;
  Result<std::unique_ptr<Directory>> open_directory(std::string_view name) override;
  Result<void> make_directory(std::string_view name) override;
  Result<void> list(const std::function<bool(std::string_view)>& each) override;
  Result<void> sync() override;

 private:
  Result<void> rename(std::string_view name, Directory& to, std::string_view to_name,
                      unsigned flags);

  Descriptor descriptor_;
};

}  // namespace larder::os

#endif  // LARDER_OS_POSIX_DIRECTORY_H_
