#include "larder/artifact.h"

#include <cstring>
#include <new>

namespace larder {

Result<ArtifactBuffer> ArtifactBuffer::allocate(std::size_t size_bytes) {
  ArtifactBuffer buffer;
  try {
    buffer.storage_ = std::make_shared_for_overwrite<std::byte[]>(size_bytes);
  } catch (const std::bad_alloc&) {
    return std::unexpected(Error{.code = Errc::out_of_memory,
                                 .message = "no memory for an artifact; free some and try again"});
  }
  buffer.size_ = size_bytes;
  return buffer;
}

Artifact ArtifactBuffer::share(std::size_t offset, std::size_t length) && noexcept {
  const std::span<const std::byte> part(storage_.get() + offset, length);
  return Artifact(std::move(storage_), part);
}

Result<Artifact> Artifact::copy_of(std::span<const std::byte> bytes) {
  auto buffer = ArtifactBuffer::allocate(bytes.size());
  if (!buffer) return std::unexpected(std::move(buffer).error());
  if (!bytes.empty()) std::memcpy(buffer->bytes().data(), bytes.data(), bytes.size());
  return std::move(*buffer).share(0, bytes.size());
}

}  // namespace larder
