//! The Helm release as observed: what it is, which chart made it, and which
//! counts its manifest declares.

use crate::component::{self, ComponentRef};

/// A revision of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The release's name.
    pub name: String,
    /// The newest revision.
    pub revision: u64,
    /// That revision's status.
    pub status: Status,
    /// The chart that made it.
    pub chart: ChartVersion,
    /// How Helm writes it to the cluster.
    pub apply: Apply,
}

/// How an upgrade of a release is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apply {
    /// Three-way merge on the client: what every release of Helm 3 has.
    ClientSide,
    /// Server-side apply: a release that Helm 4 installed, under Helm 4.
    ServerSide,
    /// Helm's record does not tell: who only looks need not know.
    Unread,
}

/// A chart's name and exact version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartVersion {
    /// `milvus`, or what else the chart calls itself.
    pub name: String,
    /// The version as the chart spells it.
    pub version: String,
}

impl ChartVersion {
    /// Whether the version is this one or a newer one; what is no version is
    /// taken for new.
    #[must_use]
    pub fn is_at_least(&self, major: u64, minor: u64, patch: u64) -> bool {
        let mut numbers = self.version.split(['.', '-', '+']).map(str::parse::<u64>);
        let mut next = || numbers.next()?.ok();
        match (next(), next(), next()) {
            (Some(a), Some(b), Some(c)) => (a, b, c) >= (major, minor, patch),
            _ => true,
        }
    }
}

impl std::fmt::Display for ChartVersion {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}-{}", self.name, self.version)
    }
}

/// The status of a revision, as Helm names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// The last operation ended well.
    Deployed,
    /// It failed; what it did before that stays.
    Failed,
    /// An operation is under way, or was killed: `pending-install`,
    /// `pending-upgrade`, `pending-rollback`.
    Pending(String),
    /// Anything else: `uninstalling`, `superseded`, `unknown`.
    Other(String),
}

impl From<&str> for Status {
    fn from(text: &str) -> Self {
        match text {
            "deployed" => Self::Deployed,
            "failed" => Self::Failed,
            pending if pending.starts_with("pending-") => Self::Pending(pending.to_owned()),
            other => Self::Other(other.to_owned()),
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Deployed => out.write_str("deployed"),
            Self::Failed => out.write_str("failed"),
            Self::Pending(text) | Self::Other(text) => out.write_str(text),
        }
    }
}

/// A Deployment of a Milvus component as the release's manifest declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// The Deployment's name.
    pub name: String,
    /// The component its pods are labelled with.
    pub component: ComponentRef,
    /// The resource group, where the chart makes one Deployment for each
    /// (chart 5.0.17 and newer).
    pub group: Option<String>,
    /// `.spec.replicas`; `None` where the chart leaves it out, which a
    /// negative value does (chart 4.1.5 and newer) and which means that an
    /// autoscaler owns the count.
    pub replicas: Option<u32>,
}

impl Declared {
    /// The Deployment of these pod labels, if they are of a Milvus component
    /// of this release. Pulsar's proxies carry `component: proxy` as well, but
    /// no instance label.
    #[must_use]
    pub fn from_labels<'a>(
        name: &str,
        release: &str,
        label: impl Fn(&str) -> Option<&'a str>,
        replicas: Option<u32>,
    ) -> Option<Self> {
        if label(INSTANCE_LABEL) != Some(release) {
            return None;
        }
        Some(Self {
            name: name.to_owned(),
            component: component::by_label(label(COMPONENT_LABEL)?)?,
            group: label(GROUP_LABEL).map(str::to_owned),
            replicas,
        })
    }
}

/// The pod label that holds the release's name.
pub const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";
/// The pod label that holds the component; bare, unlike the Operator's.
pub const COMPONENT_LABEL: &str = "component";
/// The pod label that holds the resource group.
pub const GROUP_LABEL: &str = "milvus.io/resource-group";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_charts_are_compared_by_their_numbers() {
        let newer =
            |version: &str| ChartVersion { name: "milvus".into(), version: version.into() }.is_at_least(4, 0, 4);
        assert!(newer("4.0.4") && newer("4.0.10") && newer("5.0.0-rc.1") && newer("main"));
        assert!(!newer("4.0.3") && !newer("3.9.9") && !newer("4.0.3-1"));
    }
}
