// What goes up and comes down in one HTTP request.
#ifndef LARDER_REMOTE_HTTP_BODY_H_
#define LARDER_REMOTE_HTTP_BODY_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/try.h"
#include "larder/artifact.h"
#include "remote/transport.h"

namespace larder::remote {

// Pieces, read one after another.
class UploadSource {
 public:
  explicit UploadSource(Pieces pieces) noexcept : pieces_(pieces) {}

  std::uint64_t total_bytes() const noexcept {
    std::uint64_t total = 0;
    for (const auto piece : pieces_) total += piece.size();
    return total;
  }

  std::size_t read(std::span<std::byte> into) noexcept {
    std::size_t filled = 0;
    while (filled < into.size() && piece_ < pieces_.size()) {
      const auto left = pieces_[piece_].subspan(offset_);
      const std::size_t count = std::min(left.size(), into.size() - filled);
      if (count != 0) std::memcpy(into.data() + filled, left.data(), count);
      filled += count;
      offset_ += count;
      if (offset_ == pieces_[piece_].size()) {
        ++piece_;
        offset_ = 0;
      }
    }
    return filled;
  }

  void rewind() noexcept { piece_ = offset_ = 0; }

 private:
  Pieces pieces_;
  std::size_t piece_ = 0;
  std::size_t offset_ = 0;
};

// A body of at most so many bytes. What it announces is believed when it is under the cap, and then
// nothing beyond it is taken; of what announces nothing, no more is held than came, twice over.
class DownloadSink {
 public:
  explicit DownloadSink(std::uint64_t max_bytes) noexcept : max_bytes_(max_bytes) {}

  // The first one decides whether the length is known. Errors: too_large, out_of_memory.
  Result<void> write(std::span<const std::byte> bytes, std::optional<std::uint64_t> announced) {
    const std::uint64_t most = announced.value_or(max_bytes_);
    if (most > max_bytes_ || bytes.size() > most - filled_) {
      return std::unexpected(Error{.code = Errc::too_large, .message = "over the cap"});
    }
    if (announced && !exact_) {
      LARDER_TRY(exact_, ArtifactBuffer::allocate(static_cast<std::size_t>(*announced)));
    }
    if (exact_) {
      std::memcpy(exact_->bytes().data() + filled_, bytes.data(), bytes.size());
    } else {
      grown_.insert(grown_.end(), bytes.begin(), bytes.end());
    }
    filled_ += bytes.size();
    return {};
  }

  Result<ArtifactBuffer> take() {
    if (exact_) return *std::move(exact_);
    LARDER_TRY(ArtifactBuffer whole, ArtifactBuffer::allocate(grown_.size()));
    if (!grown_.empty()) std::memcpy(whole.bytes().data(), grown_.data(), grown_.size());
    return whole;
  }

 private:
  std::uint64_t max_bytes_;
  std::uint64_t filled_ = 0;
  std::optional<ArtifactBuffer> exact_;
  std::vector<std::byte> grown_;
};

}  // namespace larder::remote

#endif  // LARDER_REMOTE_HTTP_BODY_H_
