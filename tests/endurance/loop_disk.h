// Real file systems on disks of their own, whose power can be cut.
#ifndef LARDER_TESTS_ENDURANCE_LOOP_DISK_H_
#define LARDER_TESTS_ENDURANCE_LOOP_DISK_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace larder {

// Memory for images, and a place for mounts that this process and its children alone see: the
// kernel takes both away with the last of them. Make it while the process has one thread.
class DiskRoom {
 public:
  explicit DiskRoom(std::uint64_t bytes);
  DiskRoom(const DiskRoom&) = delete;
  DiskRoom& operator=(const DiskRoom&) = delete;
  ~DiskRoom();

  // Empty when it can be used; else why this machine does not let us.
  const std::string& why_not() const noexcept { return why_not_; }
  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
  std::string why_not_;
};

// What the journal gets at a cut: nothing more, or what it held in memory.
enum class LogFlush { no, yes };

// Those of the device; of a page, each succeeds or fails as a whole.
enum class Requests { of_any_size, of_a_page };

// Throws std::runtime_error, with the call and its error, when something cannot be done.
class LoopDisk {
 public:
  struct Options {
    std::string type;  // ext4, xfs or btrfs
    std::string mount_options = {};
    std::uint64_t bytes = 0;
    Requests requests = Requests::of_any_size;
  };

  // An image in the room, on a loop device that goes with this process.
  LoopDisk(const DiskRoom& room, const std::string& name, Options options);
  LoopDisk(const LoopDisk&) = delete;
  LoopDisk& operator=(const LoopDisk&) = delete;
  ~LoopDisk();

  void format() const;
  void allocate() const;  // all of the image, so that only what is discarded can run short later
  // A disk with the same bytes; this one must not be written meanwhile.
  void copy_from(const LoopDisk& other) const;

  void mount(const std::filesystem::path& at);
  void unmount();  // waits for those who are on their way out
  void detach();   // the path is free at once; who has files open keeps them

  // Whatever is not on the disk is lost, and every later operation fails, until the next mount.
  void cut_power(LogFlush log_flush) const;

  void discard_unused() const;  // the image keeps room only for what is in use
  const std::filesystem::path& image() const noexcept { return image_; }
  const Options& options() const noexcept { return options_; }

 private:
  Options options_;
  std::filesystem::path image_;
  std::string device_;
  int image_descriptor_ = -1;
  int device_descriptor_ = -1;
  std::filesystem::path mounted_at_;  // empty: it is not
};

// Empty, or why there can be no disk of that type here.
std::string why_no_disk(const std::string& type);

// Takes what `why_not` says as a reason to print SKIPPED, or to fail where LARDER_REQUIRED is set.
// True when it is empty.
bool can_run(const std::string& what, const std::string& why_not);

}  // namespace larder

#endif  // LARDER_TESTS_ENDURANCE_LOOP_DISK_H_
