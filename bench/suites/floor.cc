#include "floor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <vector>

#include "clock.h"
#include "random.h"

extern "C" {  // the header of version 1.3.1 does not say so itself
#include <blake3.h>
}

namespace larder::bench {
namespace {

constexpr int batches = 200;
constexpr int batch = 64;

class OneFile {
 public:
  explicit OneFile(const std::string& path)
      : file_(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) {
    if (file_ < 0) throw std::system_error(errno, std::generic_category(), "floor: create");
  }
  OneFile(const OneFile&) = delete;
  OneFile& operator=(const OneFile&) = delete;
  ~OneFile() { ::close(file_); }

  void append(std::span<const std::byte> bytes) {
    if (::write(file_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
      throw std::runtime_error("floor: cannot write");
    }
  }

  void read(std::span<std::byte> into, std::uint64_t offset) const {
    if (::pread(file_, into.data(), into.size(), static_cast<off_t>(offset)) !=
        static_cast<ssize_t>(into.size())) {
      throw std::runtime_error("floor: cannot read");
    }
  }

 private:
  const int file_;
};

void hash(std::span<const std::byte> bytes) {
  blake3_hasher hasher;
  blake3_hasher_init(&hasher);
  blake3_hasher_update(&hasher, bytes.data(), bytes.size());
  std::array<std::uint8_t, 32> digest;
  blake3_hasher_finalize(&hasher, digest.data(), digest.size());
  asm volatile("" : : "r"(digest.data()) : "memory");
}

template <class Operation>
double median_ns(const Operation& operation) {
  std::vector<double> samples;
  for (int i = 0; i < batches; ++i) {
    const auto began = Clock::now();
    for (int k = 0; k < batch; ++k) operation();
    samples.push_back(ns_since(began) / batch);
  }
  return percentile(samples, 0.5);
}

}  // namespace

void show_floor(const Context& context, std::size_t size_bytes, std::uint64_t entries) {
  OneFile file(context.workspace.make_folder("floor") + "/file");
  for (std::uint64_t i = 0; i < entries; ++i) file.append(context.corpus.slice(i, size_bytes));
  Random random(1);
  std::vector<std::byte> buffer(size_bytes);
  const double read = median_ns([&] { file.read(buffer, random.below(entries) * size_bytes); });
  const double hashed = median_ns([&] { hash(buffer); });
  context.report.note(fmt::format(
      "sweep: {}: floor: one read at a random place of an open file {:.0f} ns, BLAKE3 of it in "
      "the cache {:.0f} ns",
      size_text(size_bytes), read, hashed));
}

}  // namespace larder::bench
