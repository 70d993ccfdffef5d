#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <set>
#include <vector>

#include "base/error.h"
#include "base/escape.h"
#include "base/output.h"

namespace octet {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLock = ".octet-part";  // locked by the run that writes, unlocked by its death
constexpr const char* kWork = "work";         // finished parts of a run that can go on

std::mutex pending_mutex;
std::set<fs::path>& pending_parts() {
  static std::set<fs::path> parts;
  return parts;
}

std::string shown(const fs::path& path) {
  return printable(path.string());
}

// A writer may still add files while they are removed.
void remove_stubbornly(const fs::path& path) {
  for (int attempt = 0; attempt < 20; ++attempt) {
    std::error_code error;
    fs::remove_all(path, error);
    if (!error) return;
  }
}

void sync_path(const fs::path& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) fail("{}: cannot be opened to sync it: {}", shown(path), std::strerror(errno));
  const int result = fsync(fd);
  const int reason = errno;
  close(fd);
  if (result != 0 && reason != EINVAL)
    fail("{}: cannot be written to the disk: {}", shown(path), std::strerror(reason));
}

void sync_all(const fs::path& directory) {
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_symlink()) continue;
    if (entry.is_regular_file() || entry.is_directory()) sync_path(entry.path());
  }
  sync_path(directory);
}

bool is_model_directory(const fs::path& path) {
  return fs::is_directory(path) &&
         (fs::is_empty(path) || fs::exists(path / "config.json") || fs::exists(path / "octet.json"));
}

// Whether anything has this name.
bool stands(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::symlink_status(path, error);
  if (error == std::errc::filename_too_long) fail("{}: name too long", shown(path));
  if (status.type() == fs::file_type::none) fail("{}: cannot be looked at: {}", shown(path), error.message());
  return fs::exists(status);
}

fs::path normal(const fs::path& path) {
  fs::path result = path.lexically_normal();
  if (!result.has_filename()) result = result.parent_path();  // a slash at the end
  const auto name = result.filename();
  if (name.empty() || name == "." || name == "..") fail("{}: is not a name for an output directory", shown(path));
  return result;
}

int exchange(const fs::path& a, const fs::path& b, unsigned flags) {
  return renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), flags) == 0 ? 0 : errno;
}

// For a file system without renameat2's flags.
int rename_in_two_steps(const fs::path& part, const fs::path& target, bool force) {
  fs::path aside = target;
  aside += fmt::format(".{}.old", getpid());
  const bool moved = force && rename(target.c_str(), aside.c_str()) == 0;
  const int reason = rename(part.c_str(), target.c_str()) == 0 ? 0 : errno;
  if (moved && reason == 0) remove_stubbornly(aside);
  if (moved && reason != 0) rename(aside.c_str(), target.c_str());
  return reason;
}

}  // namespace

bool has_finished_parts(const fs::path& directory) {
  std::error_code error;
  for (fs::recursive_directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    fs::path sealed = entry->path();
    if (sealed.extension() == ".sha256" && fs::exists(sealed.replace_extension(), error)) return true;
  }
  return false;
}

void check_replaceable(const fs::path& path) {
  if (!stands(path)) return;
  if (!is_model_directory(path))
    fail("{}: exists, is not a model directory and is not replaced; give another name, or remove it yourself",
         shown(path));
  if (fs::is_symlink(path)) fail("{}: is a symbolic link and is not replaced; remove it yourself", shown(path));
}

OutputDirectory::OutputDirectory(const fs::path& target, bool force, bool resumable)
    : target_(normal(target)), force_(force), resumable_(resumable) {
  part_ = target_;
  part_ += ".part";
  if (stands(target_)) {
    if (force || !is_model_directory(target_)) check_replaceable(target_);
    if (!force) fail("{}: exists already; give another name, or --force to replace it", shown(target_));
  }
  if (target_.has_parent_path()) {
    std::error_code error;
    fs::create_directories(target_.parent_path(), error);
    if (error) fail("{}: cannot be made: {}", shown(target_.parent_path()), error.message());
  }
  std::lock_guard lock(pending_mutex);  // an interrupt waits until what is made here is known
  lock_part();
  pending_parts().insert(part_);
  pending_ = true;
}

// The lock file is never replaced while OUT.part lives, so that two runs cannot both clear it.
void OutputDirectory::lock_part() {
  const bool made = mkdir(part_.c_str(), 0777) == 0;
  if (!made && errno == ENAMETOOLONG) fail("{}: name too long", shown(target_));  // with .part behind
  if (!made && errno != EEXIST) fail("{}: cannot be made: {}", shown(part_), std::strerror(errno));
  const fs::path lock = part_ / kLock;
  if (!made) {
    const bool ours = fs::is_directory(fs::symlink_status(part_)) && (fs::exists(lock) || fs::is_empty(part_));
    if (!ours) fail("{}: exists, and was not left by a run of octet; remove it yourself", shown(part_));
  }
  lock_ = open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (lock_ < 0) fail("{}: cannot be written: {}", shown(lock), std::strerror(errno));
  struct stat held {
  }, named{};
  const bool locked = flock(lock_, LOCK_EX | LOCK_NB) == 0 && fstat(lock_, &held) == 0 &&
                      stat(lock.c_str(), &named) == 0 && held.st_ino == named.st_ino;
  if (!locked) {
    close(std::exchange(lock_, -1));
    fail("{}: another run of octet is writing there; wait for it, or give another name", shown(part_));
  }
  removed_work_ = !resumable_ && has_finished_parts(part_ / kWork);
  for (const auto& entry : fs::directory_iterator(part_)) {
    const bool kept = entry.path().filename() == kLock || (resumable_ && entry.path().filename() == kWork);
    if (!kept) fs::remove_all(entry.path());
  }
  if (resumable_) fs::create_directory(work());
}

fs::path OutputDirectory::work() const {
  return resumable_ ? part_ / kWork : fs::path();
}

// Removed, but for work that a later run can go on with; returns whether there is any.
bool OutputDirectory::abandon(const fs::path& part) {
  std::error_code error;
  if (!has_finished_parts(part / kWork)) {
    remove_stubbornly(part);
    return false;
  }
  std::vector<fs::path> rest;
  for (const auto& entry : fs::directory_iterator(part, error)) {
    if (entry.path().filename() != kWork && entry.path().filename() != kLock) rest.push_back(entry.path());
  }
  for (const fs::path& path : rest) remove_stubbornly(path);
  return true;
}

OutputDirectory::~OutputDirectory() {
  {
    std::lock_guard lock(pending_mutex);
    if (pending_ && pending_parts().erase(part_) > 0) abandon(part_);
  }
  if (lock_ >= 0) close(lock_);
}

void OutputDirectory::commit() {
  if (!pending_) fail("{}: was written already", shown(target_));
  try {
    sync_all(part_);
    if (resumable_) remove_stubbornly(work());  // at the last moment: a run that is killed before goes on with it
  } catch (const fs::filesystem_error& error) {
    fail("{}: cannot be finished: {}", shown(part_), error.code().message());
  }
  std::lock_guard lock(pending_mutex);
  if (pending_parts().count(part_) == 0) fail("{}: interrupted", shown(target_));

  int reason = exchange(part_, target_, RENAME_NOREPLACE);
  const bool replace = reason == EEXIST && force_;
  if (replace) reason = exchange(part_, target_, RENAME_EXCHANGE);
  if (reason == EINVAL || reason == ENOSYS) reason = rename_in_two_steps(part_, target_, force_);
  if (reason == EEXIST || reason == ENOTEMPTY)
    fail("{}: appeared while it was written; nothing was replaced", shown(target_));
  if (reason != 0)
    fail("{}: cannot be renamed to {}: {}", shown(part_), shown(target_.filename()), std::strerror(reason));

  pending_ = false;
  pending_parts().erase(part_);
  unlink((target_ / kLock).c_str());
  if (replace) remove_stubbornly(part_);  // the one before
  sync_path(target_.has_parent_path() ? target_.parent_path() : ".");
}

bool OutputDirectory::any_pending() {
  std::lock_guard lock(pending_mutex);
  return !pending_parts().empty();
}

std::vector<fs::path> OutputDirectory::remove_all_pending() {
  std::lock_guard lock(pending_mutex);
  std::vector<fs::path> kept;
  for (const auto& part : pending_parts()) {
    if (abandon(part)) kept.push_back(part);
  }
  pending_parts().clear();
  return kept;
}

}  // namespace octet
