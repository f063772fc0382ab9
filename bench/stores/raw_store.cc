// Files without any check: what the file system alone can do.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <system_error>

#include "open.h"

namespace larder::bench {
namespace {

[[noreturn]] void fail(int os_error, const char* what) {
  throw std::system_error(os_error, std::generic_category(), what);
}

class RawStore final : public BenchStore {
 public:
  explicit RawStore(const std::string& directory)
      : path_(directory),
        directory_(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (directory_ < 0) fail(errno, "raw: open directory");
  }
  ~RawStore() override { ::close(directory_); }

  bool get(const Fingerprint& key) override {
    const int file = ::openat(directory_, key.hex().c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    struct stat info;
    if (::fstat(file, &info) != 0) fail(errno, "raw: fstat");
    const auto size = static_cast<std::size_t>(info.st_size);
    const auto bytes = std::make_unique_for_overwrite<std::byte[]>(size);
    const ssize_t got = ::read(file, bytes.get(), size);
    if (got != info.st_size) fail(errno, "raw: read");
    ::close(file);
    return hit({bytes.get(), size});
  }

  void put(const Fingerprint& key, std::span<const std::byte> payload) override {
    const std::string name = key.hex();
    const std::string temporary = name + ".tmp";
    const int file =
        ::openat(directory_, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) fail(errno, "raw: create");
    const ssize_t written = ::write(file, payload.data(), payload.size());
    if (written != static_cast<ssize_t>(payload.size())) fail(errno, "raw: write");
    ::close(file);
    if (::renameat(directory_, temporary.c_str(), directory_, name.c_str()) != 0) {
      fail(errno, "raw: rename");
    }
    pending_.push_back(name);
  }

  void flush() override {
    for (const std::string& name : pending_) {
      const int file = ::openat(directory_, name.c_str(), O_RDONLY | O_CLOEXEC);
      if (file < 0 || ::fdatasync(file) != 0) fail(errno, "raw: fdatasync");
      ::close(file);
    }
    pending_.clear();
    if (::fsync(directory_) != 0) fail(errno, "raw: fsync");
  }

  std::unique_ptr<BenchStore> another_handle() override {
    return std::make_unique<RawStore>(path_);
  }

 private:
  std::string path_;
  int directory_;
  std::vector<std::string> pending_;
};

}  // namespace

std::unique_ptr<BenchStore> open_raw(const OpenOptions& options) {
  return std::make_unique<RawStore>(options.directory);
}

}  // namespace larder::bench
