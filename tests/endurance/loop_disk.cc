#include "tests/endurance/loop_disk.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <sched.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <utility>

namespace larder {
namespace {

namespace fs = std::filesystem;

constexpr int loop_attempts = 64;       // each lost to somebody who was faster
constexpr int unmount_attempts = 5000;  // of a millisecond
// As ext4 and xfs have it.
constexpr unsigned long shut_down = _IOR('X', 125, std::uint32_t);
constexpr std::uint32_t with_log_flush = 1, without_log_flush = 2;

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

int checked(int result, const std::string& what) {
  if (result < 0) fail(what);
  return result;
}

void sleep_ms() { ::usleep(1000); }

void run(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t quiet;
  ::posix_spawn_file_actions_init(&quiet);
  ::posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  errno = ::posix_spawnp(&child, arguments[0], &quiet, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&quiet);
  if (errno != 0) fail(words[0]);
  int status = 0;
  checked(::waitpid(child, &status, 0), words[0]);
  if (status != 0) throw std::runtime_error(words[0] + " failed");
}

// Journals as small as they may be, so that they wrap.
std::vector<std::string> command_to_make(const std::string& type) {
  if (type == "xfs") return {"mkfs.xfs", "-q", "-f", "-K"};
  if (type == "btrfs") return {"mkfs.btrfs", "-q", "-f", "-K"};
  return {"mkfs.ext4",
          "-q",
          "-F",
          "-b",
          "4096",
          "-m",
          "0",
          "-N",
          "8192",
          "-J",
          "size=4",
          "-E",
          "lazy_itable_init=0,nodiscard"};
}

bool is_known_to_kernel(const std::string& type) {
  std::ifstream types("/proc/filesystems");
  for (std::string word; types >> word;) {
    if (word == type) return true;
  }
  return false;
}

bool is_program(const std::string& name) {
  for (const char* const folder : {"/sbin/", "/usr/sbin/", "/bin/", "/usr/bin/"}) {
    if (::access((folder + name).c_str(), X_OK) == 0) return true;
  }
  return false;
}

// A page: of a longer one the kernel's loop driver may write a part when its memory runs full, and
// calls that a success.
void limit_requests(const std::string& device) {
  std::ofstream("/sys/block/" + device.substr(device.rfind('/') + 1) + "/queue/max_sectors_kb")
      << 4;
}

// The bytes that are there; what is a hole stays one.
void copy_data(int from, int to, off_t size) {
  std::vector<char> part(1u << 20);
  off_t at = ::lseek(from, 0, SEEK_DATA);
  while (at >= 0 && at < size) {
    const off_t end = ::lseek(from, at, SEEK_HOLE);
    if (end < 0) fail("lseek");
    while (at < end) {
      const auto wanted = std::min<off_t>(end - at, static_cast<off_t>(part.size()));
      const ssize_t count = ::pread(from, part.data(), static_cast<std::size_t>(wanted), at);
      if (count <= 0 || ::pwrite(to, part.data(), static_cast<std::size_t>(count), at) != count) {
        fail("copying an image");
      }
      at += count;
    }
    at = ::lseek(from, end, SEEK_DATA);
  }
}

}  // namespace

DiskRoom::DiskRoom(std::uint64_t bytes) {
  if (::geteuid() != 0) {
    why_not_ = "only root may mount disks";
    return;
  }
  std::string path = (fs::temp_directory_path() / "larder-room-").string() + std::string(6, 'X');
  const std::string options = "size=" + std::to_string(bytes);
  if (::mkdtemp(path.data()) == nullptr) {
    why_not_ = "no temporary directory";
  } else if (::unshare(CLONE_NEWNS) != 0 ||
             ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
             ::mount("larder", path.c_str(), "tmpfs", 0, options.c_str()) != 0) {
    why_not_ = std::string("this machine lets nobody mount: ") + std::strerror(errno);
    ::rmdir(path.c_str());
  } else {
    path_ = path;
  }
}

DiskRoom::~DiskRoom() {
  if (path_.empty()) return;
  ::umount2(path_.c_str(), MNT_DETACH);
  ::rmdir(path_.c_str());
}

LoopDisk::LoopDisk(const DiskRoom& room, const std::string& name, Options options)
    : options_(std::move(options)), image_(room.path() / name) {
  image_descriptor_ =
      checked(::open(image_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600), "making an image");
  checked(::ftruncate(image_descriptor_, static_cast<off_t>(options_.bytes)), "sizing an image");
  const int control = checked(::open("/dev/loop-control", O_RDWR | O_CLOEXEC), "/dev/loop-control");
  loop_config config = {};
  config.fd = static_cast<std::uint32_t>(image_descriptor_);
  config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
  for (int attempt = 0; device_descriptor_ < 0 && attempt < loop_attempts; ++attempt) {
    device_ = "/dev/loop" + std::to_string(checked(::ioctl(control, LOOP_CTL_GET_FREE), "loops"));
    const int device = ::open(device_.c_str(), O_RDWR | O_CLOEXEC);
    if (device >= 0 && ::ioctl(device, LOOP_CONFIGURE, &config) == 0) {
      device_descriptor_ = device;
    } else if (device >= 0) {
      ::close(device);
    }
  }
  ::close(control);
  if (device_descriptor_ < 0) fail(device_);
  if (options_.requests == Requests::of_a_page) limit_requests(device_);
}

LoopDisk::~LoopDisk() {
  if (!mounted_at_.empty()) ::umount2(mounted_at_.c_str(), MNT_DETACH);
  ::close(device_descriptor_);
  ::close(image_descriptor_);
  ::unlink(image_.c_str());
}

void LoopDisk::format() const {
  checked(::fallocate(image_descriptor_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                      static_cast<off_t>(options_.bytes)),
          "emptying an image");
  checked(::ioctl(device_descriptor_, BLKFLSBUF, 0), "forgetting a device");
  auto words = command_to_make(options_.type);
  words.push_back(device_);
  run(std::move(words));
}

void LoopDisk::allocate() const {
  checked(::fallocate(image_descriptor_, 0, 0, static_cast<off_t>(options_.bytes)),
          "allocating an image");
}

void LoopDisk::copy_from(const LoopDisk& other) const {
  const auto size = static_cast<off_t>(options_.bytes);
  checked(::fallocate(image_descriptor_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, size),
          "emptying an image");
  copy_data(other.image_descriptor_, image_descriptor_, size);
  checked(::ioctl(device_descriptor_, BLKFLSBUF, 0), "forgetting a device");
}

void LoopDisk::mount(const fs::path& at) {
  fs::create_directories(at);
  checked(::mount(device_.c_str(), at.c_str(), options_.type.c_str(), 0,
                  options_.mount_options.c_str()),
          "mounting " + options_.type + " with " + options_.mount_options);
  mounted_at_ = at;
}

void LoopDisk::unmount() {
  int result = -1;
  for (int attempt = 0; result != 0 && attempt < unmount_attempts; ++attempt) {
    result = ::umount2(mounted_at_.c_str(), 0);
    if (result != 0 && errno != EBUSY) break;
    if (result != 0) sleep_ms();
  }
  checked(result, "unmounting " + mounted_at_.string());
  mounted_at_.clear();
}

void LoopDisk::detach() {
  checked(::umount2(mounted_at_.c_str(), MNT_DETACH), "detaching");
  mounted_at_.clear();
}

void LoopDisk::cut_power(LogFlush log_flush) const {
  const int root = checked(::open(mounted_at_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), "root");
  std::uint32_t how = log_flush == LogFlush::yes ? with_log_flush : without_log_flush;
  const int result = ::ioctl(root, shut_down, &how);
  ::close(root);
  checked(result, "cutting the power of " + options_.type);
}

void LoopDisk::discard_unused() const {
  const int root = checked(::open(mounted_at_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), "root");
  fstrim_range whole = {.start = 0, .len = options_.bytes, .minlen = 0};
  const int result = ::ioctl(root, FITRIM, &whole);
  ::close(root);
  checked(result, "discarding what is not in use");
}

std::string why_no_disk(const std::string& type) {
  if (::access("/dev/loop-control", W_OK) != 0) return "there are no loop devices";
  if (!is_known_to_kernel(type)) return "the kernel does not know " + type;
  if (!is_program("mkfs." + type)) return "mkfs." + type + " is not installed";
  return {};
}

bool can_run(const std::string& what, const std::string& why_not) {
  if (why_not.empty()) return true;
  if (std::getenv("LARDER_REQUIRED") != nullptr) {
    ADD_FAILURE() << what << " is required here: " << why_not;
  } else {
    std::cout << "SKIPPED " << what << ": " << why_not << std::endl;
  }
  return false;
}

}  // namespace larder
