#include "workspace.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <stdexcept>
#include <system_error>
#include <thread>

namespace larder::bench {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t page_bytes = 4096;

// The value of the first line of `file` that begins with `name`.
std::string line_of(const char* file, std::string_view name) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name)) continue;
    const std::size_t value = line.find_first_not_of(" \t:", name.size());
    return value == std::string::npos ? "" : line.substr(value);
  }
  return "";
}

std::uint64_t available_memory_bytes() {
  const std::string kib = line_of("/proc/meminfo", "MemAvailable");
  return kib.empty() ? 0 : std::stoull(kib) * 1024;
}

}  // namespace

Workspace::Workspace(const std::string& parent) {
  const std::string folder = parent.empty() ? fs::temp_directory_path().string() : parent;
  path_ = fmt::format("{}/larder-bench-{:08x}", folder, std::random_device()());
  if (::mkdir(path_.c_str(), 0700) != 0) {
    const int os_error = errno;
    throw std::system_error(
        os_error, std::generic_category(),
        "cannot make a folder in " + folder + " (name another with --directory)");
  }
  directory_ = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

Workspace::~Workspace() {
  ::close(directory_);
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string Workspace::make_folder(std::string_view name) {
  std::string path = fmt::format("{}/{}-{}", path_, name, std::string(6, 'X'));
  if (::mkdtemp(path.data()) == nullptr) {
    const int os_error = errno;
    throw std::system_error(os_error, std::generic_category(), "cannot make a folder");
  }
  return path;
}

void Workspace::require_space(std::uint64_t bytes) const {
  const fs::space_info space = fs::space(path_);
  if (space.available >= bytes) return;
  throw std::runtime_error(fmt::format(
      "{} has {} MiB free, {} MiB are needed: name a folder on a larger disk with --directory, or "
      "use --quick",
      fs::path(path_).parent_path().string(), space.available >> 20, bytes >> 20));
}

void Workspace::settle() const {
  if (::syncfs(directory_) != 0) throw std::runtime_error("the disk refuses to sync");
}

std::string Workspace::file_system() const {
  // Of the mounts that the folder is under, the one with the longest path.
  const std::string path = fs::canonical(path_).string();
  std::ifstream mounts("/proc/self/mounts");
  std::string best, best_type = "unknown";
  for (std::string device, point, type, rest; mounts >> device >> point >> type;) {
    std::getline(mounts, rest);
    const bool is_above = point == "/" || path == point || path.starts_with(point + "/");
    if (is_above && point.size() >= best.size()) best = point, best_type = type;
  }
  return best_type;
}

std::uint64_t disk_bytes(const std::string& directory) {
  std::uint64_t blocks = 0;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    struct stat info;
    if (::lstat(entry.path().c_str(), &info) == 0)
      blocks += static_cast<std::uint64_t>(info.st_blocks);
  }
  return blocks * 512;
}

void warm_memory(std::uint64_t bytes) {
  bytes = std::min(bytes, available_memory_bytes() / 2);
  if (bytes < page_bytes) return;
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return;
  auto* const touched = static_cast<volatile char*>(memory);
  for (std::uint64_t at = 0; at < bytes; at += page_bytes) touched[at] = 1;
  ::munmap(memory, bytes);
}

std::string machine() {
  utsname system = {};
  ::uname(&system);
  const std::string memory = line_of("/proc/meminfo", "MemTotal");
  return fmt::format("{}, {} cores, {} GiB, {} {}", line_of("/proc/cpuinfo", "model name"),
                     std::thread::hardware_concurrency(),
                     memory.empty() ? 0 : (std::stoull(memory) + (1 << 19)) >> 20, system.sysname,
                     system.release);
}

}  // namespace larder::bench
