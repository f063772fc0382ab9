// An open file of a file system in memory.
#ifndef LARDER_TESTING_MEMORY_FILE_H_
#define LARDER_TESTING_MEMORY_FILE_H_

#include <memory>

#include "memory_disk.h"

namespace larder::testing::memory {

// What locks belong to: shared by the file and its mappings.
struct OpenFile {
  OpenFile(std::shared_ptr<Disk> its_disk, NodeRef its_node, OpenMode its_mode)
      : disk(std::move(its_disk)), node(std::move(its_node)), mode(its_mode) {}
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile();

  const std::shared_ptr<Disk> disk;
  const NodeRef node;
  const OpenMode mode;
};

class MemoryFile final : public File {
 public:
  MemoryFile(std::shared_ptr<Disk> disk, NodeRef node, OpenMode mode)
      : open_(std::make_shared<OpenFile>(std::move(disk), std::move(node), mode)) {}

  // Null when it was closed, or belongs to another disk.
  NodeRef node_on(const Disk& disk) const {
    return open_ && open_->disk.get() == &disk ? open_->node : nullptr;
  }

  Result<FileInfo> info() override;
  Result<std::size_t> read_at(std::span<std::byte> into, std::uint64_t offset) override;
  Result<void> write_at(std::span<const std::span<const std::byte>> pieces,
                        std::uint64_t offset) override;
  Result<void> reserve(std::uint64_t bytes) override;
  Result<void> trim(std::uint64_t end_bytes) override;
  Result<void> allocate(std::uint64_t bytes) override;
  Result<std::unique_ptr<Mapping>> map(OpenMode mode, std::uint64_t bytes) override;
  Result<void> start_writeback() override;
  Result<void> sync_data() override;
  Result<void> touch() override;
  Result<bool> try_lock(LockMode mode, std::uint64_t offset, std::uint64_t length) override;
  Result<void> unlock(std::uint64_t offset, std::uint64_t length) override;
  Result<bool> is_locked(std::uint64_t offset, std::uint64_t length) override;
  Result<void> close() override;

 private:
  enum class Access { any, data, change };
  Result<void> check(Access access, std::string_view operation) const;

  // With the disk locked; `act` gets the node.
  template <class Act>
  auto perform(Access access, std::string_view operation, const Act& act)
      -> decltype(act(std::declval<Node&>()));

  std::shared_ptr<OpenFile> open_;  // null once closed
};

}  // namespace larder::testing::memory

#endif  // LARDER_TESTING_MEMORY_FILE_H_
