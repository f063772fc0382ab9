// An open directory of a file system in memory.
#ifndef LARDER_TESTING_MEMORY_DIRECTORY_H_
#define LARDER_TESTING_MEMORY_DIRECTORY_H_

#include <memory>

#include "memory_disk.h"

namespace larder::testing::memory {

class MemoryDirectory final : public Directory {
 public:
  MemoryDirectory(std::shared_ptr<Disk> disk, NodeRef node)
      : disk_(std::move(disk)), node_(std::move(node)) {}

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
  enum class Overwrite { no, yes };

  // A directory and a name in it.
  struct Place {
    NodeRef directory;
    std::string_view name;
    NodeRef node;  // null: nobody has the name
  };
  Result<Place> find(std::string_view path, std::string_view operation) const;
  std::unique_ptr<File> open(const NodeRef& node, OpenMode mode) const;
  Result<std::unique_ptr<File>> create(const Place& place) const;
  Result<void> rename(std::string_view name, Directory& to, std::string_view to_name,
                      Overwrite overwrite) const;
  Result<void> check_rename(const Place& from, const Place& to, Overwrite overwrite) const;

  const std::shared_ptr<Disk> disk_;
  const NodeRef node_;
};

}  // namespace larder::testing::memory

#endif  // LARDER_TESTING_MEMORY_DIRECTORY_H_
