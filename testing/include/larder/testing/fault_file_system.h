// A file system that fails on purpose: for our tests, and for embedders who want to see what their
// program does when the disk is full or the device is gone.
//
//   larder::testing::FaultFileSystem faults(larder::posix_file_system());
//   faults.inject({.only = Op::sync_data, .os_error = EIO});
//   auto store = larder::open_file_store({.directory = directory, .file_system = &faults});
//
// Every operation that can fail is numbered from 1 in the order it begins, in all threads together.
//
// What is read and written through a mapping is no operation: nobody is asked. Fail `map` and
// `check`, or spoil the bytes themselves: those of a mapping are the file's own.
#ifndef LARDER_TESTING_FAULT_FILE_SYSTEM_H_
#define LARDER_TESTING_FAULT_FILE_SYSTEM_H_

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "larder/file_system.h"

namespace larder::testing {

// One for each virtual function that can fail; user(), now_s() and Mapping::bytes() cannot.
enum class Op {
  file_info,
  read_at,
  write_at,
  reserve,
  trim,
  allocate,
  map,
  check,  // of a mapping; its path is the one that the file had when it was mapped
  start_writeback,
  sync_data,
  touch,
  try_lock,
  unlock,
  is_locked,
  close,
  directory_info,
  info_at,
  space,
  file_system_type,
  open_file,
  open_or_create_file,
  create_anonymous,
  create_file,
  link,
  rename_over,
  rename_no_replace,
  remove_file,
  open_subdirectory,
  make_directory,
  list,
  sync_directory,
  open_directory,  // by path, of the file system
  resolve,
  read_file,
  random_name,
};
inline constexpr std::size_t op_count = static_cast<std::size_t>(Op::random_name) + 1;

// As written above. Static storage.
std::string_view op_name(Op op) noexcept;

// The errnos that such a call may fail with on Linux (local disks, NFS, FUSE, quotas), one of each
// code first. Not among them: answers, which are no failures (ENOENT, EEXIST, and those that say
// that something else stands there: ELOOP, ENOTDIR, EISDIR, ENXIO, EXDEV); those of a call that is
// itself wrong (EBADF, EINVAL); and those that the library is never told, as it calls again (EINTR
// while it reads and writes). Static storage.
std::span<const int> possible_errors(Op op) noexcept;

struct Operation {
  std::uint64_t number = 0;  // from 1
  Op op = Op::file_info;
  std::string path;     // as opened, created or linked; a rename is told by the name it moves
  std::string to_path;  // link and the renames
};

enum class Effect {
  refuse,        // fails and does nothing; close alone closes all the same, as the kernel does
  refuse_after,  // does it, then fails: the reply of a network file system was lost
  tear,          // write_at alone: writes the first half, then fails
  shorten,       // read_at alone: succeeds with half of what was there, as at the end of a file
  flip_bit,      // read_at and write_at alone: succeeds with one bit of the bytes turned over
  delay,         // does it `delay_ms` later
};
enum class Repeat { once, for_ever };

// Which operations, and what becomes of them.
struct Fault {
  std::optional<Op> only = {};     // else every kind
  std::string path_contains = {};  // else every path; compared with path and to_path
  std::uint64_t at = 1;            // the first one to fail, counted among those that match
  Repeat repeat = Repeat::once;
  Effect effect = Effect::refuse;
  int os_error = EIO;
  std::uint64_t bit = 0;  // flip_bit: modulo the length of what was read or is written
  std::uint32_t delay_ms = 1;
};

// What the errno of a failed call becomes, by the list in file_system.h.
Errc code_of(int os_error) noexcept;

// Any thread may call any function. What it opened may outlive it, `real` may not be outlived.
class FaultFileSystem final : public FileSystem {
 public:
  explicit FaultFileSystem(FileSystem& real);
  ~FaultFileSystem() override;

  // Adds a fault; of several that match one operation, the one added first is injected. Each counts
  // its matches from now on.
  void inject(const Fault& fault);
  void clear_faults();

  // Called before each operation begins, without any lock held; its own operations on this file
  // system are operations too. Set it while nothing runs.
  void observe(std::function<void(const Operation&)> observer);

  std::uint64_t operations() const;         // how many have begun
  std::vector<Operation> injected() const;  // those that were spoilt, in order

  Result<std::unique_ptr<Directory>> open_directory(std::string_view path) override;
  Result<std::string> resolve(std::string_view path) override;
  Result<std::string> read_file(std::string_view path, std::size_t max_bytes) override;
  UserInfo user() override;
  Result<std::string> random_name() override;
  std::int64_t now_s() override;

  class State;

 private:
  FileSystem& real_;
  std::shared_ptr<State> state_;
};

}  // namespace larder::testing

#endif  // LARDER_TESTING_FAULT_FILE_SYSTEM_H_
