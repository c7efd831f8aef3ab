"""Judges by scikit-learn, by confidenceinterval, and by their definitions in numpy: reads rows as JSON, prints numbers as JSON."""

import json
import math
import sys

import numpy as np
from confidenceinterval.delong import delong_roc_variance
from scipy.stats import bootstrap
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss, ndcg_score, roc_auc_score


def placements(scores, labels):
    """Of each positive row the share of negative ones below, and of each negative one that of positive ones above."""
    positive, negative = scores[labels == 1], scores[labels == 0]
    above = (positive[:, None] > negative) + (positive[:, None] == negative) / 2
    return above.mean(1), above.mean(0)


def paired(a, b, labels):
    """The difference of two AUCs and its standard error, by the covariances of DeLong's definition."""
    (a10, a01), (b10, b01) = placements(a, labels), placements(b, labels)
    covariance = np.cov(a10, b10) / len(a10) + np.cov(a01, b01) / len(a01)
    return a10.mean() - b10.mean(), math.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])


def drawn(a, b, labels, groups):
    """The difference of two models' GAUC by rows, and its error and interval by a bootstrap over groups."""
    some = [groups == group for group in np.unique(groups)]
    some = [own for own in some if 0 < labels[own].sum() < own.sum()]
    aucs = [[roc_auc_score(labels[own], scores[own]) for own in some] for scores in (a, b)]
    offs, rows = np.subtract(*aucs), np.array([own.sum() for own in some])

    def mean(offs, rows, axis=-1):
        return (offs * rows).sum(axis) / rows.sum(axis)

    found = bootstrap((offs, rows), mean, paired=True, vectorized=True, method="percentile", n_resamples=4000, rng=7)
    return mean(offs, rows), found.standard_error, *found.confidence_interval


def judged(case):
    scores, other, labels, groups = (np.array(case[name]) for name in ("scores", "other", "labels", "groups"))
    weights = np.array(case["weights"])
    found = {
        "auc": roc_auc_score(labels, scores, sample_weight=weights),
        "logloss": log_loss(labels, scores, sample_weight=weights),
        "pcoc": (weights * scores).sum() / (weights * labels).sum(),
    }
    share = (weights * labels).sum() / weights.sum()
    found["entropy"] = found["logloss"] / log_loss(labels, np.full(len(labels), share), sample_weight=weights)
    auc, variance = delong_roc_variance(labels, scores)
    found["delong"], found["error"] = float(auc), math.sqrt(variance)
    found["difference"], found["paired"] = paired(scores, other, labels)
    names = ("off", "drawn error", "drawn lower", "drawn upper")
    found |= zip(names, drawn(scores, other, labels, groups))

    rows, aucs, gains = [], [], []
    for group in np.unique(groups):
        own = groups == group
        if 0 < labels[own].sum() < own.sum():
            aucs.append(roc_auc_score(labels[own], scores[own], sample_weight=weights[own]))
            rows.append(weights[own].sum())
        if labels[own].sum() > 0 and own.sum() > 1:
            gains.append(ndcg_score([labels[own]], [scores[own]], k=case["at"]))
        elif labels[own].sum() > 0:
            gains.append(1.0)
    found["gauc"], found["ndcg"] = float(np.average(aucs, weights=rows)), float(np.mean(gains))

    observed, predicted = calibration_curve(labels, scores, n_bins=case["bins"])
    bins = np.searchsorted(np.linspace(0, 1, case["bins"] + 1)[1:-1], scores)
    counts = np.bincount(bins, minlength=case["bins"])
    shares = counts[counts > 0] / len(labels)
    found["observed"], found["predicted"] = observed.tolist(), predicted.tolist()
    found["ece"] = float((shares * np.abs(observed - predicted)).sum())
    return {name: value if isinstance(value, list) else float(value) for name, value in found.items()}


print(json.dumps([judged(case) for case in json.load(open(sys.argv[1]))]))
