#include "memory_file.h"

#include <algorithm>
#include <cerrno>
#include <mutex>

namespace larder::testing::memory {
namespace {

using Range = RangeLocks::Range;

class MemoryMapping final : public Mapping {
 public:
  MemoryMapping(std::shared_ptr<OpenFile> open, std::shared_ptr<SharedMemory> memory,
                std::uint64_t bytes) noexcept
      : open_(std::move(open)), memory_(std::move(memory)), bytes_(memory_->bytes().first(bytes)) {}

  ~MemoryMapping() override {
    const std::scoped_lock lock(open_->disk->mutex());
    memory_.reset();
    open_->node->file.unmap(open_->disk->next_sequence());
  }

  std::span<std::byte> bytes() const noexcept override { return bytes_; }

  Result<void> check(std::uint64_t offset, std::uint64_t length) override {
    if (offset > bytes_.size() || length > bytes_.size() - offset) {
      return failed(EFAULT, "check (beyond the mapping)");
    }
    const std::scoped_lock lock(open_->disk->mutex());
    const std::uint64_t end = pages_for(open_->node->file.bytes()) * page_bytes;
    if (length > 0 && offset + length > end) return failed(EFAULT, "check (beyond the file)");
    return {};
  }

 private:
  const std::shared_ptr<OpenFile> open_;
  std::shared_ptr<SharedMemory> memory_;
  const std::span<std::byte> bytes_;
};

}  // namespace

OpenFile::~OpenFile() {
  const std::scoped_lock lock(disk->mutex());
  node->locks.unlock_all(this);
}

Result<void> MemoryFile::check(Access access, std::string_view operation) const {
  if (!open_) return failed(EBADF, operation);
  if (access == Access::any) return {};
  if (open_->node->info.kind != FileKind::regular) return failed(EISDIR, operation);
  const bool may_change = open_->mode == OpenMode::read_write;
  if (access == Access::change && !may_change) return failed(EBADF, operation);
  return {};
}

template <class Act>
auto MemoryFile::perform(Access access, std::string_view operation, const Act& act)
    -> decltype(act(std::declval<Node&>())) {
  if (auto checked = check(access, operation); !checked) {
    return std::unexpected(std::move(checked).error());
  }
  const std::scoped_lock lock(open_->disk->mutex());
  if (access == Access::change) open_->node->info.modified_s = open_->disk->options().now_s;
  return act(*open_->node);
}

Result<FileInfo> MemoryFile::info() {
  return perform(Access::any, "info",
                 [&](Node& node) -> Result<FileInfo> { return open_->disk->info_of(node); });
}

Result<std::size_t> MemoryFile::read_at(std::span<std::byte> into, std::uint64_t offset) {
  return perform(Access::data, "read_at",
                 [&](Node& node) -> Result<std::size_t> { return node.file.read(into, offset); });
}

Result<void> MemoryFile::write_at(std::span<const std::span<const std::byte>> pieces,
                                  std::uint64_t offset) {
  return perform(Access::change, "write_at", [&](Node& node) -> Result<void> {
    node.file.write(pieces, offset, open_->disk->next_sequence());
    return {};
  });
}

Result<void> MemoryFile::reserve(std::uint64_t bytes) {
  return perform(Access::change, "reserve", [&](Node& node) -> Result<void> {
    node.reserved_bytes = std::max(node.reserved_bytes, bytes);
    return {};
  });
}

Result<void> MemoryFile::trim(std::uint64_t end_bytes) {
  return perform(Access::change, "trim", [&](Node& node) -> Result<void> {
    node.file.cut(end_bytes, open_->disk->next_sequence());
    node.reserved_bytes = 0;
    return {};
  });
}

Result<void> MemoryFile::allocate(std::uint64_t bytes) {
  return perform(Access::change, "allocate", [&](Node& node) -> Result<void> {
    node.file.extend(bytes, open_->disk->next_sequence());
    node.reserved_bytes = std::max(node.reserved_bytes, bytes);
    return {};
  });
}

Result<std::unique_ptr<Mapping>> MemoryFile::map(OpenMode mode, std::uint64_t bytes) {
  using Mapped = Result<std::unique_ptr<Mapping>>;
  if (bytes == 0) return failed(EINVAL, "map");
  if (auto checked = check(Access::data, "map"); !checked) {
    return std::unexpected(std::move(checked).error());
  }
  if (mode == OpenMode::read_write && open_->mode == OpenMode::read) return failed(EACCES, "map");
  std::shared_ptr<SharedMemory> memory;
  {
    const std::scoped_lock lock(open_->disk->mutex());
    memory = open_->node->file.map(bytes);
  }
  if (!memory) return failed(ENOMEM, "map (longer than the mappings that there are)");
  return Mapped(std::make_unique<MemoryMapping>(open_, std::move(memory), bytes));
}

Result<void> MemoryFile::start_writeback() { return check(Access::any, "start_writeback"); }

Result<void> MemoryFile::sync_data() {
  return perform(Access::any, "sync_data", [&](Node& node) -> Result<void> {
    if (node.info.kind == FileKind::regular) node.file.sync(open_->disk->next_sequence());
    return {};
  });
}

Result<void> MemoryFile::touch() {
  return perform(Access::any, "touch", [&](Node& node) -> Result<void> {
    node.info.modified_s = open_->disk->options().now_s;
    return {};
  });
}

Result<bool> MemoryFile::try_lock(LockMode mode, std::uint64_t offset, std::uint64_t length) {
  return perform(Access::any, "try_lock", [&](Node& node) -> Result<bool> {
    const bool may_exclude = open_->mode == OpenMode::read_write;
    if (mode == LockMode::exclusive && !may_exclude) return failed(EBADF, "try_lock");
    return node.locks.try_lock(open_.get(), mode, Range::of(offset, length));
  });
}

Result<void> MemoryFile::unlock(std::uint64_t offset, std::uint64_t length) {
  return perform(Access::any, "unlock", [&](Node& node) -> Result<void> {
    node.locks.unlock(open_.get(), Range::of(offset, length));
    return {};
  });
}

Result<bool> MemoryFile::is_locked(std::uint64_t offset, std::uint64_t length) {
  return perform(Access::any, "is_locked", [&](Node& node) -> Result<bool> {
    return node.locks.is_locked_by_another(open_.get(), Range::of(offset, length));
  });
}

Result<void> MemoryFile::close() {
  if (!open_) return failed(EBADF, "close");
  open_.reset();
  return {};
}

}  // namespace larder::testing::memory
