// The folder that the stores live in, and what the machine says about it.
#ifndef LARDER_BENCH_WORKSPACE_H_
#define LARDER_BENCH_WORKSPACE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace larder::bench {

// A fresh folder, removed with everything in it at the end. Nothing is removed before: ext4 looks
// at every recently removed file when it creates one, which slows creates down many times.
class Workspace {
 public:
  explicit Workspace(const std::string& parent);  // empty: the folder for temporary files
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  ~Workspace();

  // A new empty folder whose name begins with `name`.
  std::string make_folder(std::string_view name);

  // Throws an error that says what is missing, where, and what to do.
  void require_space(std::uint64_t bytes) const;

  // Waits until everything written so far is on the disk, so that no write-back disturbs what is
  // measured next.
  void settle() const;

  std::string file_system() const;  // its type: "ext4", "tmpfs"

 private:
  std::string path_;
  int directory_ = -1;
};

// Bytes on disk as `du` counts them.
std::uint64_t disk_bytes(const std::string& directory);

// Touches so much memory and gives it back: on a virtual machine the first touch of a page can cost
// more than all that is measured. Does less where there is little memory.
void warm_memory(std::uint64_t bytes);

// Processor, cores, kernel: the machine in one line.
std::string machine();

}  // namespace larder::bench

#endif  // LARDER_BENCH_WORKSPACE_H_
