// The payload of a record, compressed: one zstd frame that states its content's size. Believe what
// comes out only when the digest of what went in was good: zstd checks little by itself.
#ifndef LARDER_FORMAT_CODEC_H_
#define LARDER_FORMAT_CODEC_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace larder::format {

// Keeps a few of zstd's contexts from call to call: making one costs 13 us, more than unpacking
// 4 KiB. At most 4 of 100 KB and, once something was compressed, 4 of 600 KB. Safe for use by
// several threads; nobody waits.
class Zstd {
 public:
  static constexpr int default_level = 1;

  Zstd() noexcept = default;
  ~Zstd();
  Zstd(const Zstd&) = delete;
  Zstd& operator=(const Zstd&) = delete;

  // nullopt: it would not save an eighth; store it as it is. Throws bad_alloc.
  std::optional<std::vector<std::byte>> compress(std::span<const std::byte> payload,
                                                 int level = default_level);

  // Fills all of `raw`, whose size is what the record says. False: `stored` is anything but exactly
  // one frame of exactly that size; `raw` then holds anything. Throws bad_alloc.
  bool decompress(std::span<const std::byte> stored, std::span<std::byte> raw);

 private:
  template <class Context>
  using Kept = std::array<std::atomic<Context*>, 4>;

  Kept<ZSTD_CCtx_s> compressors_ = {};
  Kept<ZSTD_DCtx_s> decompressors_ = {};
};

}  // namespace larder::format

#endif  // LARDER_FORMAT_CODEC_H_
