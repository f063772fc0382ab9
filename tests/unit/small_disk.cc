#include "tests/unit/small_disk.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>

namespace larder {
namespace {

constexpr unsigned child_lifetime_s = 60;
constexpr int exit_not_mounted = 77;

// An ordinary user may mount in a user namespace alone, and own files there once it has an id.
bool enter_namespace() {
  const uid_t user = ::geteuid();
  const gid_t group = ::getegid();
  if (user == 0) return ::unshare(CLONE_NEWNS) == 0;
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
  std::ofstream("/proc/self/setgroups") << "deny";
  std::ofstream("/proc/self/uid_map") << "0 " << user << " 1";
  std::ofstream("/proc/self/gid_map") << "0 " << group << " 1";
  return ::geteuid() == 0;
}

bool mount_alone(const std::string& path, std::uint64_t disk_bytes) {
  const std::string options = "size=" + std::to_string(disk_bytes);
  return enter_namespace() && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("larder", path.c_str(), "tmpfs", 0, options.c_str()) == 0;
}

void write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(descriptor, text.data(), text.size());
    if (count <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

std::string read_all(int descriptor) {
  std::string text;
  std::array<char, 4096> part;
  for (;;) {
    const ssize_t count = ::read(descriptor, part.data(), part.size());
    if (count <= 0) return text;
    text.append(part.data(), static_cast<std::size_t>(count));
  }
}

std::string ending_of(pid_t child) {
  int status = 0;
  if (::waitpid(child, &status, 0) != child) return "lost the child";
  if (WIFSIGNALED(status)) return std::string("the child died: ") + ::strsignal(WTERMSIG(status));
  if (WEXITSTATUS(status) == exit_not_mounted) {
    std::cout << "SKIPPED a small disk: this machine lets nobody mount one" << std::endl;
    return "";
  }
  return WEXITSTATUS(status) == 0 ? "" : "the child returned an error";
}

}  // namespace

std::string on_small_disk(std::uint64_t disk_bytes,
                          const std::function<std::string(const std::string& path)>& body) {
  std::string path =
      (std::filesystem::temp_directory_path() / "larder-disk-").string() + std::string(6, 'X');
  std::array<int, 2> ends;
  if (::mkdtemp(path.data()) == nullptr || ::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return "cannot prepare a small disk";
  }
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(child_lifetime_s);
    if (!mount_alone(path, disk_bytes)) ::_exit(exit_not_mounted);
    write_all(ends[1], body(path));
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string said = read_all(ends[0]);
  ::close(ends[0]);
  const std::string ending = child < 0 ? "cannot fork" : ending_of(child);
  std::filesystem::remove(path);
  return ending.empty() ? said : ending;
}

}  // namespace larder
