// The report: one HTML file that shows a whole run. Also the place where the formats it reads are
// written down.
//
// log.jsonl, one object per line; every line has "job", "phase", "step", "seconds":
//   {"job": "train", "phase": "teacher", "epoch", "step", "loss", "train_top1", "held_out_top1",
//    "held_out_correct", "lr", "seconds"}
//   {"job": "distill-w4a4", "phase": "stage", "student": "w4a4", "stage": 1 …, "unit": "conv1",
//    "eval": 0 …, "step", "lr", "loss", "local_loss", "kd_loss", "held_out_loss", "hybrid_top1",
//    "best", "seconds"}
//       eval 0 is before any training of the stage and has no lr and training losses; best: the
//       parameters of this evaluation are kept so far.
//   {"phase": "joint", …} as "stage", with "ce_loss" in place of "local_loss".
// Accuracies are percentages with two decimals.
//
// results.json:
//   dataset, network, seed, class_names, images (test), teacher_top1, teacher_top5,
//   teacher_correct, teacher_crc, teacher_seconds, seconds_total: of the run's own teacher, or of
//   its first student's if `train` made none here; headline (name of the run's first student)
//   students: { NAME: { weight_bits, activation_bits, first_last_weight_bits, overrides, quantizer,
//     seed, threads, images (test), teacher_crc, teacher_top1, teacher_top5:
//     of the teacher this student learned from,
//     student_top1, student_top5, student_correct, student_agreement, held_out_loss (joint phase),
//     train_images, passes (over them, in training steps), model_bytes, seconds (of training),
//     folded_per_channel_top1, …_top5, …_correct, …_agreement, folded_per_layer_top1, …,
//     baseline_seconds                                                                (baseline)
//     mismatches, verified_images                                                     (verify)
//     stage_hybrid_top1: [per stage, the joint phase last], sqnr_db: [per unit],
//     confusion: [[true][predicted]],
//     layers: [{ name, shape, weight_bits, in_bits, out_bits, macs, weight_bytes, m, n, bound,
//                zero_channels }] } }
//   and the headline student's plain figures again at the top level, those of teachers aside.
//   Agreement: share of test images for which student and teacher predict the same class. Top-5:
//   the label is among the five largest logits; of equal logits the lower class comes first.
//
// NAME.samples.json: { first: […], wrong: […] } of { index, label, predicted, png (base64) }.
// profile.json: apps/commands/training_profile.hpp.
#pragma once

#include <string>

namespace intandem {

/// The page for a run directory: no scripts, no references to other files; light and dark. Sections
/// without data are left out. Error, naming the file, if there is neither results.json nor a log.
std::string render_report(const std::string& run);

}  // namespace intandem
