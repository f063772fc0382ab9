// The objects, a line each where that is enough.
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "tests/endurance/hostile.h"
#include "tests/endurance/pack_directory.h"

namespace larder::hostile {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t mib = 1u << 20;

const char* needs_root() { return ::geteuid() == 0 ? nullptr : "only root can make it"; }

// What stood there goes away; an original that is to be kept has been read before.
void clear(const Site& site) { fs::remove_all(site.path); }

bool link_to(Site& site, const fs::path& to) {
  clear(site);
  fs::create_symlink(to, site.path);
  give_to(site.user, site.path);
  return true;
}

bool file(Site& site, std::string_view bytes, mode_t mode = 0600) {
  clear(site);
  write_file(site.path, bytes);
  give_to(site.user, site.path);
  return ::chmod(site.path.c_str(), mode) == 0;
}

// Sound bytes, which are right where they stand; empty for a directory.
bool original(Site& site, mode_t mode) {
  return !site.is_directory && file(site, site.original, mode);
}

bool sparse(Site& site, std::string_view front, std::uint64_t size) {
  return file(site, front) && ::truncate(site.path.c_str(), static_cast<off_t>(size)) == 0;
}

bool second_name_of(Site& site, const fs::path& of) {
  clear(site);
  fs::create_hard_link(of, site.path);
  return true;
}

bool device(Site& site, mode_t type, unsigned major, unsigned minor) {
  clear(site);
  if (::mknod(site.path.c_str(), type | 0666, ::makedev(major, minor)) != 0) return false;
  give_to(site.user, site.path);
  return true;
}

bool folder(Site& site, mode_t mode = 0700) {
  clear(site);
  fs::create_directory(site.path);
  give_to(site.user, site.path);
  return ::chmod(site.path.c_str(), mode) == 0;
}

bool pipe(Site& site) {
  clear(site);
  if (::mkfifo(site.path.c_str(), 0600) != 0) return false;
  give_to(site.user, site.path);
  return true;
}

// Keeps a pipe open for writing, so that a reader finds neither its end nor nobody there.
bool pipe_with_writer(Site& site, std::string_view bytes) {
  if (!pipe(site)) return false;
  const int writer = ::open(site.path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  (void)!::write(writer, bytes.data(), bytes.size());
  site.undo.emplace_back([writer] { ::close(writer); });
  return true;
}

bool socket(Site& site) {
  clear(site);
  const int made = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  // Addresses are short: by way of a link to the folder.
  const fs::path shortcut = "/tmp/larder-" + std::to_string(::getpid());
  fs::create_directory_symlink(site.path.parent_path(), shortcut);
  const std::string name = (shortcut / site.path.filename()).string();
  const bool fits = name.size() < sizeof address.sun_path;
  if (fits) name.copy(address.sun_path, name.size());
  const bool is_bound =
      fits && ::bind(made, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  fs::remove(shortcut);
  ::close(made);
  if (is_bound) give_to(site.user, site.path);
  return is_bound;
}

bool of_stranger(Site& site, std::string_view bytes, mode_t mode) {
  if (!file(site, bytes, mode)) return false;
  give_to(stranger, site.path);
  return true;
}

// FS_IMMUTABLE_FL or FS_APPEND_FL.
bool flagged(Site& site, int flag) {
  const int opened = ::open(site.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (opened < 0) return false;
  int flags = 0;
  bool done = ::ioctl(opened, FS_IOC_GETFLAGS, &flags) == 0;
  flags |= flag;
  done = done && ::ioctl(opened, FS_IOC_SETFLAGS, &flags) == 0;
  const auto clear_flag = [opened, flag] {
    int now = 0;
    (void)::ioctl(opened, FS_IOC_GETFLAGS, &now);
    now &= ~flag;
    (void)::ioctl(opened, FS_IOC_SETFLAGS, &now);
    ::close(opened);
  };
  if (done) site.undo.emplace_back(clear_flag);
  if (!done) ::close(opened);
  return done;
}

bool mounted(Site& site, const fs::path& from) {
  if (fs::is_directory(from) != fs::is_directory(site.path)) return false;
  mount_over(from, site.path);
  const fs::path at = site.path;
  site.undo.emplace_back([at] { (void)::umount2(at.c_str(), MNT_DETACH); });
  return true;
}

bool memory_mounted(Site& site) {
  if (!site.is_directory) return false;
  const std::string options = "mode=700,uid=" + std::to_string(site.user);
  if (::mount("none", site.path.c_str(), "tmpfs", 0, options.c_str()) != 0) return false;
  const fs::path at = site.path;
  site.undo.emplace_back([at] { (void)::umount2(at.c_str(), MNT_DETACH); });
  return true;
}

// Something that goes on while the store is asked, and ends with the case.
bool meanwhile(Site& site, void (*step)(const Site& site, unsigned turn)) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(60);
    for (unsigned turn = 0;; ++turn) step(site, turn);
  }
  site.undo.emplace_back([child] {
    (void)::kill(child, SIGKILL);
    (void)::waitpid(child, nullptr, 0);
  });
  return true;
}

void grow(const Site& site, unsigned) {
  const int opened = ::open(site.path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
  if (opened >= 0)
    (void)!::write(opened, site.original.data(), std::min<std::size_t>(64, site.original.size()));
  if (opened >= 0) ::close(opened);
  ::usleep(200);
}

void cut_and_mend(const Site& site, unsigned turn) {
  const int opened = ::open(site.path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
  if (opened < 0) return;
  if (turn % 2 == 0) (void)!::ftruncate(opened, static_cast<off_t>(site.original.size() / 2));
  if (turn % 2 == 1) (void)!::pwrite(opened, site.original.data(), site.original.size(), 0);
  ::close(opened);
  ::usleep(100);
}

// Beside the store, so that it is on the same file system.
void replace_with_link(const Site& site, unsigned turn) {
  const fs::path other = site.outside.parent_path() / "theirs" / "swap";
  std::error_code ignored;
  fs::remove(other, ignored);
  if (turn % 2 == 0) fs::create_symlink(site.outside / "entry", other, ignored);
  if (turn % 2 == 1) write_file(other, site.original);
  fs::rename(other, site.path, ignored);
  ::usleep(100);
}

void replace_with_garbage(const Site& site, unsigned turn) {
  const fs::path other = site.outside.parent_path() / "theirs" / "swap";
  std::error_code ignored;
  fs::remove(other,
             ignored);  // a link, which one that was killed has left, would be written through
  write_file(other, turn % 2 == 0 ? std::string(700, 'g') : site.original);
  if (::chown(other.c_str(), site.user, site.user) != 0) return;
  fs::rename(other, site.path, ignored);
  ::usleep(100);
}

bool many_names(Site& site, std::uint64_t count) {
  if (!site.is_directory && !folder(site)) return false;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string name = site.path.string() + "/foreign " + std::to_string(i);
    ::close(::open(name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  }
  return true;
}

bool odd_names(Site& site) {
  if (!site.is_directory) return false;
  const std::string hex(62, 'a');
  for (const std::string& name :
       {"01" + std::string(62, 'A') + ".art", "01" + hex + ".art ", "01" + hex.substr(1) + ".art",
        "01" + hex.substr(1) + "g.art", std::string(".nfs0000000000000001"),
        std::string("new\nline.art"), std::string(255, 'b'), ".tmp-" + std::string(32, 'c'),
        std::string(".larder-short.tmp"), std::string("FFFFFFFF.seg"), std::string("000000001.seg"),
        std::string("00000000.00000001.bad."), std::string("index.zzzz"), std::string("-rf"),
        std::string("\xff\xfe\x01")}) {
    write_file(site.path / name, "foreign");
    give_to(site.user, site.path / name);
  }
  return true;
}

// A lock by which an open waits for somebody else's answer, unless it will not wait.
bool leased(Site& site) {
  if (!original(site, 0600)) return false;
  const int opened = ::open(site.path.c_str(), O_RDONLY | O_CLOEXEC);
  if (opened < 0) return false;
  (void)::signal(SIGIO, SIG_IGN);
  if (::fcntl(opened, F_SETLEASE, F_WRLCK) != 0) {
    ::close(opened);
    return false;
  }
  site.undo.emplace_back([opened] {
    (void)::fcntl(opened, F_SETLEASE, F_UNLCK);
    ::close(opened);
  });
  return true;
}

bool deep_folder(Site& site) {
  if (!folder(site)) return false;
  fs::path deep = site.path;
  for (int i = 0; i < 10; ++i) deep /= "deeper";
  fs::create_directories(deep);
  write_file(deep / "kept", "kept");
  return true;
}

bool folder_with_file(Site& site) {
  if (!folder(site)) return false;
  write_file(site.path / "foreign", "kept");
  return true;
}

bool folder_of_stranger(Site& site, mode_t mode) {
  if (!folder(site, mode)) return false;
  give_to(stranger, site.path);
  return true;
}

bool original_of_stranger(Site& site) {
  return !site.is_directory && of_stranger(site, site.original, 0644);
}

// What was there, under another name beside the store; and a link to it.
bool link_to_original(Site& site) {
  const fs::path moved = site.outside.parent_path() / "theirs" / "moved";
  fs::remove_all(moved);
  if (!fs::exists(site.path)) return false;
  fs::rename(site.path, moved);
  fs::create_symlink(moved, site.path);
  give_to(site.user, site.path);
  return true;
}

bool second_name_of_original(Site& site) {
  if (site.is_directory) return false;
  const fs::path second = site.outside.parent_path() / "theirs" / "second";
  fs::remove(second);
  if (!fs::exists(site.path)) return false;
  fs::create_hard_link(site.path, second);
  return true;
}

const std::vector<Object> all = {
    {"link to a file", [](Site& s) { return link_to(s, s.outside / "file"); }},
    {"link to an empty file", [](Site& s) { return link_to(s, s.outside / "empty"); }},
    {"link to an entry", [](Site& s) { return link_to(s, s.outside / "entry"); }},
    {"link to a directory", [](Site& s) { return link_to(s, s.outside / "folder"); }},
    {"link to an empty directory", [](Site& s) { return link_to(s, s.outside / "hollow"); }},
    {"link to nothing", [](Site& s) { return link_to(s, s.outside / "new"); }},
    {"link to itself", [](Site& s) { return link_to(s, s.path); }},
    {"relative link up", [](Site& s) { return link_to(s, "../../../outside/file"); }},
    {"link to the parent", [](Site& s) { return link_to(s, ".."); }},
    {"link to the original", link_to_original},
    {"link to a pipe", [](Site& s) { return link_to(s, s.outside / "pipe"); }},
    {"magic link", [](Site& s) { return link_to(s, "/proc/self/fd/1"); }},
    {"link to the program", [](Site& s) { return link_to(s, "/proc/self/exe"); }},
    {"link to endless zeros", [](Site& s) { return link_to(s, "/dev/zero"); }},
    {"link with a long target", [](Site& s) { return link_to(s, std::string(4000, 'x')); }},
    {"second name of a file", [](Site& s) { return second_name_of(s, s.outside / "file"); },
     Reach::linked},
    {"second name of an empty file", [](Site& s) { return second_name_of(s, s.outside / "empty"); },
     Reach::linked},
    {"second name of the original", second_name_of_original, Reach::linked},
    {"pipe", pipe},
    {"pipe with a silent writer", [](Site& s) { return pipe_with_writer(s, ""); }},
    {"pipe with bytes", [](Site& s) { return pipe_with_writer(s, std::string(500, 'p')); }},
    {"socket", socket},
    {"null device", [](Site& s) { return device(s, S_IFCHR, 1, 3); }, Reach::inside, needs_root},
    {"zero device", [](Site& s) { return device(s, S_IFCHR, 1, 5); }, Reach::inside, needs_root},
    {"full device", [](Site& s) { return device(s, S_IFCHR, 1, 7); }, Reach::inside, needs_root},
    {"random device", [](Site& s) { return device(s, S_IFCHR, 1, 9); }, Reach::inside, needs_root},
    {"terminal", [](Site& s) { return device(s, S_IFCHR, 5, 0); }, Reach::inside, needs_root},
    {"device without driver", [](Site& s) { return device(s, S_IFCHR, 240, 77); }, Reach::inside,
     needs_root},
    {"whiteout", [](Site& s) { return device(s, S_IFCHR, 0, 0); }, Reach::inside, needs_root},
    {"block device", [](Site& s) { return device(s, S_IFBLK, 240, 77); }, Reach::inside,
     needs_root},
    {"folder", [](Site& s) { return folder(s); }},
    {"folder with a file", folder_with_file},
    {"deep folder", deep_folder},
    {"folder that may not be entered", [](Site& s) { return folder(s, 0); }},
    {"folder that may not be written", [](Site& s) { return folder(s, 0500); }},
    {"folder that all may write", [](Site& s) { return folder(s, 0777); }},
    {"folder of somebody else", [](Site& s) { return folder_of_stranger(s, 0755); }, Reach::inside,
     needs_root},
    {"open folder of somebody else", [](Site& s) { return folder_of_stranger(s, 0777); },
     Reach::inside, needs_root},
    {"file of somebody else", [](Site& s) { return of_stranger(s, "x", 0644); }, Reach::inside,
     needs_root},
    {"closed file of somebody else", [](Site& s) { return of_stranger(s, "x", 0600); },
     Reach::inside, needs_root},
    {"original of somebody else", original_of_stranger, Reach::inside, needs_root},
    {"original, mode 0000", [](Site& s) { return original(s, 0); }},
    {"original, mode 0444", [](Site& s) { return original(s, 0444); }},
    {"original, mode 0666", [](Site& s) { return original(s, 0666); }},
    {"original, mode 04755", [](Site& s) { return original(s, 04755); }},
    {"original, mode 02755", [](Site& s) { return original(s, 02755); }},
    {"original, mode 01777", [](Site& s) { return original(s, 01777); }},
    {"immutable original", [](Site& s) { return original(s, 0600) && flagged(s, FS_IMMUTABLE_FL); },
     Reach::inside, needs_root},
    {"immutable garbage", [](Site& s) { return file(s, "x") && flagged(s, FS_IMMUTABLE_FL); },
     Reach::inside, needs_root},
    {"original that only grows",
     [](Site& s) { return original(s, 0600) && flagged(s, FS_APPEND_FL); }, Reach::inside,
     needs_root},
    {"immutable folder", [](Site& s) { return s.is_directory && flagged(s, FS_IMMUTABLE_FL); },
     Reach::inside, needs_root},
    {"sparse tebibyte", [](Site& s) { return sparse(s, "", 1ull << 40); }},
    {"original and a tebibyte of nothing",
     [](Site& s) { return !s.is_directory && sparse(s, s.original, 1ull << 40); }},
    {"original and a gibibyte of nothing",
     [](Site& s) { return !s.is_directory && sparse(s, s.original, 1ull << 30); }},
    {"64 MiB of nothing", [](Site& s) { return sparse(s, "", 64 * mib); }},
    {"64 MiB and 32 bytes", [](Site& s) { return sparse(s, "", 64 * mib + 32); }},
    {"64 MiB and 33 bytes", [](Site& s) { return sparse(s, "", 64 * mib + 33); }},
    {"empty file", [](Site& s) { return file(s, ""); }},
    {"one byte", [](Site& s) { return file(s, "x"); }},
    {"31 bytes", [](Site& s) { return file(s, std::string(31, 'x')); }},
    {"37 bytes", [](Site& s) { return file(s, std::string(37, 'x')); }},
    {"160 zeros", [](Site& s) { return file(s, std::string(160, '\0')); }},
    {"5000 zeros", [](Site& s) { return file(s, std::string(5000, '\0')); }},
    {"5000 ones", [](Site& s) { return file(s, std::string(5000, '\xff')); }},
    {"half of the original",
     [](Site& s) {
       return !s.is_directory &&
              file(s, std::string_view(s.original).substr(0, s.original.size() / 2));
     }},
    {"original and a byte", [](Site& s) { return !s.is_directory && file(s, s.original + "x"); }},
    {"growing", [](Site& s) { return original(s, 0600) && meanwhile(s, grow); }, Reach::inside,
     nullptr, true},
    {"cut and mended", [](Site& s) { return original(s, 0600) && meanwhile(s, cut_and_mend); },
     Reach::inside, nullptr, true},
    {"a link and a file in turn",
     [](Site& s) { return original(s, 0600) && meanwhile(s, replace_with_link); }, Reach::inside,
     nullptr, true},
    {"garbage and a file in turn",
     [](Site& s) { return original(s, 0600) && meanwhile(s, replace_with_garbage); }, Reach::inside,
     nullptr, true},
    {"leased to somebody", leased},
    {"mounted file", [](Site& s) { return original(s, 0600) && mounted(s, s.outside / "entry"); },
     Reach::inside, needs_root},
    {"mounted folder", [](Site& s) { return s.is_directory && mounted(s, s.outside / "folder"); },
     Reach::inside, needs_root},
    {"mounted empty file system", memory_mounted, Reach::inside, needs_root},
    {"odd names", odd_names},
    {"many names", [](Site& s) { return many_names(s, 500); }},
};

}  // namespace

const std::vector<Object>& objects() { return all; }

}  // namespace larder::hostile
