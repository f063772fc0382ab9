// An artifact: the compiled bytes. Immutable, shared by reference, cheap to copy.
#ifndef LARDER_ARTIFACT_H_
#define LARDER_ARTIFACT_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "larder/error.h"

namespace larder LARDER_PUBLIC {

// Copies share the bytes; the last one frees them. Any number of threads may read and copy.
class Artifact {
 public:
  Artifact() = default;  // no bytes

  // `bytes` must stay valid and unchanged as long as `owner` lives.
  Artifact(std::shared_ptr<const void> owner, std::span<const std::byte> bytes) noexcept
      : owner_(std::move(owner)), bytes_(bytes) {}

  // out_of_memory when the copy cannot be allocated.
  static Result<Artifact> copy_of(std::span<const std::byte> bytes);
  static Result<Artifact> copy_of(std::string_view text) {
    return copy_of(std::as_bytes(std::span(text)));
  }

  std::span<const std::byte> bytes() const noexcept { return bytes_; }
  const std::byte* data() const noexcept { return bytes_.data(); }
  std::size_t size() const noexcept { return bytes_.size(); }
  std::string_view text() const noexcept {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }

 private:
  std::shared_ptr<const void> owner_;
  std::span<const std::byte> bytes_;
};

// Memory that becomes an artifact once it is filled and verified. Starts uninitialised.
class ArtifactBuffer {
 public:
  // out_of_memory instead of an exception.
  static Result<ArtifactBuffer> allocate(std::size_t size_bytes);

  std::span<std::byte> bytes() noexcept { return {storage_.get(), size_}; }

  // The part [offset, offset + length) as an artifact; the whole allocation lives as long as it.
  Artifact share(std::size_t offset, std::size_t length) && noexcept;

 private:
  std::shared_ptr<std::byte[]> storage_;
  std::size_t size_ = 0;
};

}  // namespace larder

#endif  // LARDER_ARTIFACT_H_
