// A set of text files that a program wrote and may write again, and nothing else.
#pragma once

#include <string>
#include <vector>

namespace intandem {

/// A file to be: its name within the directory and its text. In front of the text goes a comment,
/// in the language of the file, with the checksum of what follows.
struct GeneratedFile {
  enum class Comment { c, hash };
  std::string name;
  Comment comment = Comment::c;
  std::string text;
};

/// Writes the files into `directory`, which is made if it is missing. All are written under
/// temporary names before the first gets its own. Error, and nothing is written, if a file of such
/// a name is there that was not generated or has been edited since (its checksum tells).
void write_generated(const std::string& directory, const std::vector<GeneratedFile>& files);

}  // namespace intandem
