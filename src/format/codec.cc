#include "format/codec.h"

#include <zstd.h>

#include <memory>
#include <new>

#include "base/byte_order.h"

namespace larder::format {
namespace {

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const noexcept { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const noexcept { ZSTD_freeDCtx(context); }
};

// A context of one's own for as long as this lives: a kept one, or a new one.
template <class Context>
class Lent {
 public:
  Lent(std::span<std::atomic<Context*>> kept, Context* (*make)()) : kept_(kept) {
    for (auto& slot : kept_) {
      mine_.reset(slot.exchange(nullptr, std::memory_order_acquire));
      if (mine_) return;
    }
    mine_.reset(make());
    if (!mine_) throw std::bad_alloc();
  }

  ~Lent() {
    for (auto& slot : kept_) {
      Context* empty = nullptr;
      if (slot.compare_exchange_strong(empty, mine_.get(), std::memory_order_release,
                                       std::memory_order_relaxed)) {
        static_cast<void>(mine_.release());
        return;
      }
    }
  }

  Lent(const Lent&) = delete;
  Lent& operator=(const Lent&) = delete;

  Context* get() const noexcept { return mine_.get(); }

 private:
  std::span<std::atomic<Context*>> kept_;
  std::unique_ptr<Context, FreeContext> mine_;
};

// zstd also reads frames of its early versions, skips frames of strangers, and goes on with a
// second frame behind the first. None of them is ours.
bool is_one_frame(std::span<const std::byte> stored, std::size_t raw_bytes) noexcept {
  return stored.size() >= 4 && load_little<std::uint32_t>(stored.data()) == ZSTD_MAGICNUMBER &&
         ZSTD_getFrameContentSize(stored.data(), stored.size()) == raw_bytes &&
         ZSTD_findFrameCompressedSize(stored.data(), stored.size()) == stored.size();
}

}  // namespace

Zstd::~Zstd() {
  for (auto& kept : compressors_) FreeContext()(kept.load());
  for (auto& kept : decompressors_) FreeContext()(kept.load());
}

std::optional<std::vector<std::byte>> Zstd::compress(std::span<const std::byte> payload,
                                                     int level) {
  // zstd gives up at once when it runs out of room.
  std::vector<std::byte> frame(payload.size() - (payload.size() + 7) / 8);
  if (frame.empty()) return std::nullopt;
  const Lent<ZSTD_CCtx> context(compressors_, ZSTD_createCCtx);
  const std::size_t used = ZSTD_compressCCtx(context.get(), frame.data(), frame.size(),
                                             payload.data(), payload.size(), level);
  if (ZSTD_isError(used) != 0) return std::nullopt;
  frame.resize(used);
  return frame;
}

bool Zstd::decompress(std::span<const std::byte> stored, std::span<std::byte> raw) {
  if (!is_one_frame(stored, raw.size())) return false;
  const Lent<ZSTD_DCtx> context(decompressors_, ZSTD_createDCtx);
  return ZSTD_decompressDCtx(context.get(), raw.data(), raw.size(), stored.data(), stored.size()) ==
         raw.size();
}

}  // namespace larder::format
