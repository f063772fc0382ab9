// A file on its way to a name: nobody sees it before it is whole.
//
// Crash model. The file is anonymous (O_TMPFILE): a crash leaves nothing. Where that does not
// exist, and for the moment of replacing another file, it stands in the root under a random name of
// ours, locked by its writer; the next open for writing removes such names whose lock nobody holds.
#ifndef LARDER_STORE_DIRECTORY_NEW_FILE_H_
#define LARDER_STORE_DIRECTORY_NEW_FILE_H_

#include <memory>
#include <string>

#include "larder/file_system.h"

namespace larder::store_directory {

class NewFile {
 public:
  static Result<NewFile> create(FileSystem& file_system, Directory& root);

  NewFile(NewFile&& other) noexcept;
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile();  // takes away a name that was not published

  File& file() noexcept { return *file_; }

  // Gives the file its name in `directory`. exists when the name is taken; then try again or
  // replace.
  Result<void> publish(Directory& directory, std::string_view name);

  // Puts the file in the place of another one. Call file().sync_data() first: else a crash may
  // leave neither the old content nor the new.
  Result<void> replace(Directory& directory, std::string_view name);

  // After publish or replace: the open file, so that a flush can sync what was written.
  std::shared_ptr<File> take() noexcept { return std::move(file_); }

 private:
  NewFile(FileSystem& file_system, Directory& root, std::shared_ptr<File> file, std::string name)
      : file_system_(&file_system),
        root_(&root),
        file_(std::move(file)),
        temporary_(std::move(name)) {}

  Result<void> give_temporary_name();
  Result<void> publish_named(Directory& directory, std::string_view name);

  FileSystem* file_system_;
  Directory* root_;
  std::shared_ptr<File> file_;
  std::string temporary_;  // in the root; empty while anonymous or once published
};

}  // namespace larder::store_directory

#endif  // LARDER_STORE_DIRECTORY_NEW_FILE_H_
